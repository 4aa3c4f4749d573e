"""Nobody can read the logs: every process does its work as before, and stops cleanly."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from imagequeue.config.settings import PREFIX
from imagequeue.producer.local.ports import free_port
from imagequeue.providers import sandbox_settings
from support.processes import BIN, WORKER, Process, answers, clean_environment, eventually, sandbox


@pytest.fixture
def closed_pipe() -> Iterator[int]:
    """The writing end of a pipe that nobody reads, like the end of `imagequeue up | head`."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[int]:
    """A file on a full disk: a tiny tmpfs where this user may mount one, else /dev/full."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "none", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0
    file = os.open(folder / "log" if mounted else "/dev/full", os.O_WRONLY | os.O_CREAT)
    with suppress(OSError):
        while mounted:
            os.write(file, bytes(512))
    yield file
    os.close(file)
    if mounted:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(params=["closed_pipe", "full_disk"])
def broken(request: pytest.FixtureRequest) -> int:
    output: int = request.getfixturevalue(request.param)
    return output


PROGRAM = """
import logging, sys, warnings
from imagequeue.config.logging import configure_logs, get_logger
from imagequeue.config.process import start_process
settings = start_process()
for log_format in ("console", "json"):
    configure_logs(settings.model_copy(update={"log_format": log_format}))
    for _ in range(1_000):
        get_logger("one").info("job_dispatched", job_id="x" * 100)
        logging.getLogger("celery").error("from elsewhere")
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        get_logger("one").exception("step_failed")
print("a banner", file=sys.stderr, flush=True)
warnings.warn("a warning")
print("still running")
"""


def test_log_calls_survive_a_broken_output(broken: int) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=broken,
        env=clean_environment(),
        text=True,
    )
    assert ran.stdout == "still running\n"


def test_jobs_succeed_once_while_no_log_can_be_written(
    closed_pipe: int, full_disk: int, overrides: dict[str, str], tmp_path: Path
) -> None:
    paid = tmp_path / "paid.jsonl"
    ports = {name: free_port() for name in ("api", "receiver")}
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    with sandbox(tmp_path, "--latency", "1", "--log", str(paid)) as sandbox_url:
        settings = {
            **overrides,
            **sandbox_settings(sandbox_url),
            "public_url": urls["receiver"],
            "download_trusted_hosts": sandbox_url.removeprefix("http://"),
            "poll_countdowns": "1",
            "log_level": "DEBUG",
        }
        env = {f"{PREFIX}{name.upper()}": value for name, value in settings.items()}
        receiver = [sys.executable, "-m", "imagequeue.worker.receiver"]
        commands = [
            ([str(BIN / WORKER[0]), *WORKER[1:]], full_disk),
            (
                [str(BIN / "uvicorn"), "imagequeue.producer.api:app", "--port", str(ports["api"])],
                closed_pipe,
            ),
            ([*receiver, "--port", str(ports["receiver"])], full_disk),
        ]
        processes = [Process(command, env, tmp_path, broken) for command, broken in commands]
        try:
            eventually(lambda: all(answers(f"{url}/healthz") for url in urls.values()))
            jobs = [
                requests.post(
                    f"{urls['api']}/v1/jobs",
                    json={"provider": "acedata-flux", "prompt": delivery, "delivery": delivery},
                    timeout=30,
                ).json()["id"]
                for delivery in ("poll", "callback", "auto")
            ]
            for job_id in jobs:
                job = f"{urls['api']}/v1/jobs/{job_id}"
                eventually(
                    lambda at=job: requests.get(at, timeout=30).json()["state"] == "succeeded"
                )
            assert len(paid.read_text().splitlines()) == len(jobs)
        finally:
            statuses = [process.stop() for process in processes]
    # uvicorn ends with the signal once it has shut down.
    assert statuses == [0, -signal.SIGTERM, -signal.SIGTERM]
    assert sorted(json.loads(line)["prompt"] for line in paid.read_text().splitlines()) == [
        *("auto", "callback", "poll")
    ]
