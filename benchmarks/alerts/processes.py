"""Processes that end, freeze or lose their Redis."""

from __future__ import annotations

import json
import shutil
import signal
import time

from benchmarks.alerts.prometheus import JOB
from benchmarks.alerts.scenario import Scenario
from benchmarks.alerts.site import URL_LIFETIME_S, Site
from benchmarks.system import is_up, wait_until, worker_command
from imagequeue.store.deployment import keys

HELD = "acedata-flux"


def _start_api(site: Site) -> None:
    site.doctor()
    site.system.start("api")


def _start_workers(site: Site) -> None:
    site.doctor()
    for name in site.system.workers:
        site.system.start(name)


def _kill_workers(site: Site) -> None:
    # Any worker dispatches the jobs of all queues: one that is left would fill that of a lost one.
    for name in site.system.workers:
        site.system.kill(name)
    site.submit(1)


def _kill_receiver(site: Site) -> None:
    site.submit(3)  # their callbacks arrive
    time.sleep(5)
    site.system.kill("receiver")
    site.submit(8)


def _start_receiver(site: Site) -> None:
    site.doctor()
    site.run("callbacks", "counts")
    site.system.start("receiver")
    wait_until(lambda: is_up(f"{site.system.receiver_url}/healthz"))
    site.submit(3)


def _freeze_downloads(site: Site) -> None:
    site.system.signal("worker-download", signal.SIGSTOP)
    site.submit(24)
    began = time.monotonic()
    site.wait_for("ImagequeueQueueFull")
    time.sleep(max(0.0, began + URL_LIFETIME_S + 4 - time.monotonic()))
    _start_download_worker(site)


def _start_download_worker(site: Site) -> None:
    if "worker-more" not in site.system.commands:
        site.system.commands["worker-more"] = worker_command("worker-more", "download", 4)
        site.system.start("worker-more")


def _thaw_downloads(site: Site) -> None:
    site.system.signal("worker-download", signal.SIGCONT)
    site.system.terminate("worker-more")
    del site.system.commands["worker-more"]


def back_up(site: Site) -> None:
    """Copy the files of Redis while a job is queued that will be paid for soon."""
    site.run("pause", HELD, "--reason", "until the backup is made")
    site.submit(1, provider=HELD)
    site.progress = _read_progress(site)
    site.system.redis.kill()
    shutil.copytree(site.redis_files, site.system.folder / "backup")
    site.system.redis.start()
    site.run("resume", HELD)


def _read_progress(site: Site) -> int:
    """Return the number that grows every minute while jobs are sent."""
    return int(site.redis.get(keys.PROGRESS) or 0)


def _has_progress(site: Site) -> bool:
    site.submit(1)
    return _read_progress(site) > site.progress


def _restore(site: Site) -> None:
    wait_until(lambda: _has_progress(site), 120, every_s=2)
    for name in ("worker-main", "worker-download"):
        site.system.terminate(name)
    site.system.redis.kill()
    shutil.rmtree(site.redis_files)
    shutil.copytree(site.system.folder / "backup", site.redis_files)
    site.system.redis.start()
    for name in ("worker-main", "worker-download"):
        site.system.start(name)
    # What the backup held back leaves first, and would be paid for again.
    site.run("resume", HELD)


def _resume_after_restore(site: Site) -> None:
    assert "Redis is older than its storage" in site.run("pauses")
    lines = site.run("list", "--state", "queued", "--json").splitlines()
    site.run("cancel", *(json.loads(line)["id"] for line in lines))
    site.run("resume", "all")


SCENARIOS = (
    Scenario(
        ("ImagequeueDown",),
        "SIGKILL of the API",
        "`doctor`; started the API",
        lambda site: site.system.kill("api"),
        _start_api,
    ),
    Scenario(
        ("ImagequeueTargetGone",),
        "another `job_name` in the configuration of Prometheus",
        "corrected it; SIGHUP",
        lambda site: site.prometheus.rename_job("api"),
        lambda site: site.prometheus.rename_job(JOB),
    ),
    Scenario(
        ("ImagequeueWakeupsOverdue", "ImagequeueNoWorker"),
        "SIGKILL of both workers, then a job",
        "`doctor`; started them",
        _kill_workers,
        _start_workers,
    ),
    Scenario(
        ("ImagequeueReceiverGone", "ImagequeueCallbacksStopped"),
        "SIGKILL of the receiver, then eight jobs",
        "`doctor`, `callbacks counts`; started the receiver; three jobs",
        _kill_receiver,
        _start_receiver,
    ),
    Scenario(
        ("ImagequeueQueueFull", "ImagequeueSavedLate"),
        "SIGSTOP of the only worker for `download`, 24 jobs; its URLs expire",
        "started a worker with `-Q download`",
        _freeze_downloads,
        _thaw_downloads,
    ),
    Scenario(
        ("ImagequeuePausedAll", "ImagequeueQueuedLong"),
        "Redis restored from files that are minutes old",
        "`pauses`, `list --state queued`, `cancel` of what was paid, `resume all`",
        _restore,
        _resume_after_restore,
    ),
)
