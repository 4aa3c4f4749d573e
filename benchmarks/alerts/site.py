"""The system that the faults are caused on, and what a person on call does to it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import redis
import requests

from benchmarks.alerts.prometheus import AlertLog, Firing, Prometheus
from benchmarks.alerts.rules import read_rules, shorten, write_rules
from benchmarks.system import BIN, System, is_up, wait_until, worker_command
from imagequeue.config.redis import open_client
from imagequeue.jobs.job import Job
from imagequeue.producer.client import LocalClient
from imagequeue.producer.local.ports import LOOPBACK, free_port
from imagequeue.store.deployment.processes import list_processes

URL_LIFETIME_S = 30
# Nothing is paid for while less than 100 MB are free.
DISK = "1000m"
SANDBOX = ("--kie-limit", "0", "--latency", "2")
# Seconds in place of minutes. A callback arrives after 2 s, so polls find only what has none.
SETTINGS = {
    "lease_s": "3",
    "submit_timeout_s": "2",
    "sweep_every_s": "0.25",
    "poll_countdowns": "8,4",
    "poll_tail_s": "4",
    "unconfirmed_after_s": "120",
    "give_up_after_s": "600",
    "url_lifetime_s": str(URL_LIFETIME_S),
    "download_attempts": "2",
    "webhook_give_up_s": "60",
    # Never reached: the dashboard shows how much of it is used.
    "kie_rate_limit": "1000/10",
    "webhook_secret": "whsec_" + "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "log_level": "INFO",
}
START_TIMEOUT_S = 180.0
FIRES_WITHIN_S = 180.0
ENDS_WITHIN_S = 180.0


class Site:
    """Redis, sandbox, receiver, API, two workers and a Prometheus with the shortened alerts."""

    def __init__(self, folder: Path, factor: int, credit: float) -> None:
        self.webhook_port = free_port()
        trusted = {"webhook_trusted_hosts": f"{LOOPBACK}:{self.webhook_port}"}
        sandbox = (*SANDBOX, "--credit", str(credit))
        self.system = System(folder, SETTINGS | trusted, sandbox, workers=0)
        main = worker_command("worker-main", "submit,poll,callback,notify", 8)
        self.system.commands |= {
            "worker-main": main,
            "worker-download": worker_command("worker-download", "download", 4),
        }
        self.progress = 0
        """The number that grows every minute, as the backup of Redis has it."""
        self.images = folder / "data" / "images"
        self.redis_files = folder / "data" / "redis" / "appendonlydir"
        self.api_url = f"http://{LOOPBACK}:{free_port()}"
        port = self.api_url.rpartition(":")[2]
        api = ("-m", "benchmarks.alerts.api", "--host", LOOPBACK, "--port", port)
        self.system.commands["api"] = [sys.executable, *api]
        self.redis: redis.Redis = open_client(self.system.redis.url, socket_timeout=10)
        write_rules(shorten(read_rules(), factor), folder / "alerts.yml")
        self.prometheus = Prometheus(folder, self.api_url, factor)
        self.log = AlertLog(self.prometheus)

    def _mount_disk(self) -> None:
        """Give the images a small disk of their own."""
        self.images.mkdir(parents=True)
        options = ("-t", "tmpfs", "-o", f"size={DISK}")
        subprocess.run(("mount", *options, "tmpfs", self.images), check=True)

    def start(self) -> None:
        """Start everything, and return once it works."""
        self._mount_disk()
        self.system.start_all()
        wait_until(lambda: is_up(f"{self.api_url}/healthz"))
        processes = len(self.system.commands) - 1  # the sandbox has no record
        wait_until(lambda: len(list_processes(self.redis)) == processes, START_TIMEOUT_S)
        key = self.run("keys", "add", "prometheus", "--read-only").split()[-1]
        self.prometheus.start(key)
        self.log.start()

    def stop(self) -> None:
        """Kill everything."""
        self.prometheus.stop()
        self.system.stop()
        self.redis.close()
        subprocess.run(("umount", "--lazy", self.images), check=False)

    def run(self, *words: str, may_fail: bool = False) -> str:
        """Type an `imagequeue` command, and return what it prints."""
        done = subprocess.run(
            [str(BIN / "imagequeue"), *words],
            env={**os.environ, **self.system.environment},
            cwd=self.system.folder,
            capture_output=True,
            text=True,
            timeout=120,
        )
        if done.returncode and not may_fail:
            raise RuntimeError(f"imagequeue {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def doctor(self) -> str:
        """Return what `imagequeue doctor` says: its status is 1 while something is wrong."""
        return self.run("doctor", may_fail=True)

    def submit(
        self,
        count: int,
        words: str = "",
        provider: str = "kie-flux-kontext",
        caller: str = "python",
        **request: Any,
    ) -> list[Job]:
        """Submit jobs whose prompts end with these words."""
        at = time.monotonic_ns()
        client = LocalClient(self.system.settings, name=caller)
        return [
            client.submit(provider, f"a lighthouse {at}-{number} {words}", **request)
            for number in range(count)
        ]

    def set_faults(self, **rates: float) -> None:
        """Set the rates of the sandbox's faults."""
        url = f"{self.system.sandbox_url}/sandbox/faults"
        requests.put(url, json=rates, timeout=10).raise_for_status()

    def fill_disk(self, name: str, size: int) -> None:
        """Write a file of that many bytes to the disk of the images, or as many as fit."""
        with (self.images / name).open("ab", buffering=0) as file:
            try:
                while size > 0:
                    size -= file.write(bytes(min(size, 65536)))
            except OSError:
                return

    def free_bytes(self) -> int:
        """Return the free space of the disk of the images."""
        return shutil.disk_usage(self.images).free

    def wait_for(
        self, *alerts: str, meanwhile: Callable[[], object] = lambda: None
    ) -> dict[str, Firing]:
        """Return the alerts once they have fired; `meanwhile` is called once a second."""
        deadline = time.monotonic() + FIRES_WITHIN_S
        while not set(alerts) <= self.log.list_fired().keys():
            if time.monotonic() > deadline:
                missing = set(alerts) - self.log.list_fired().keys()
                raise TimeoutError(f"did not fire: {', '.join(sorted(missing))}")
            meanwhile()
            time.sleep(1)
        return {name: self.log.list_fired()[name] for name in alerts}

    def wait_for_end(self, alerts: Collection[str]) -> dict[str, float]:
        """Return the monotonic times at which alerts have ended, of those that end in time."""
        ended: dict[str, float] = {}
        deadline = time.monotonic() + ENDS_WITHIN_S
        while len(ended) < len(alerts) and time.monotonic() < deadline:
            for name in set(alerts) - self.log.active - ended.keys():
                ended[name] = time.monotonic()
            time.sleep(0.25)
        return ended
