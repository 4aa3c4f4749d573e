"""A whole system, with API and Flower, and a provider that uses almost no CPU."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.system import BIN, System, is_up, wait_until
from imagequeue.config.celery import make_celery
from imagequeue.producer.local.ports import LOOPBACK, free_port


class FullSystem(System):
    """The processes of `imagequeue up`, with `benchmarks.provider` in place of the sandbox."""

    def __init__(
        self,
        folder: Path,
        settings: dict[str, str] | None = None,
        provider: tuple[str, ...] = (),
        workers: int = 2,
        threads: int = 8,
    ) -> None:
        quiet = {"log_level": "WARNING", **(settings or {})}
        super().__init__(folder, quiet, workers=workers, threads=threads)
        self.api_url = f"http://{LOOPBACK}:{free_port()}"
        self.flower_url = f"http://{LOOPBACK}:{free_port()}"
        ports = [
            url.rpartition(":")[2] for url in (self.sandbox_url, self.api_url, self.flower_url)
        ]
        provider_port, api_port, flower_port = ports
        module = [sys.executable, "-m", "benchmarks.provider"]
        self.commands["sandbox"] = [*module, "--port", provider_port, *provider]
        api = [str(BIN / "uvicorn"), "imagequeue.producer.api:app", "--no-access-log"]
        self.commands["api"] = [*api, "--port", api_port]
        flower = [str(BIN / "celery"), "-A", "imagequeue.worker", "flower"]
        self.commands["flower"] = [*flower, f"--port={flower_port}"]

    def start_all(self) -> None:
        """Start everything, and return once the servers answer and the workers consume."""
        super().start_all()
        self.wait_for_servers()
        self.wait_for_workers(len(self.workers))

    def wait_for_servers(self) -> None:
        """Return once API and Flower answer."""
        wait_until(lambda: is_up(f"{self.api_url}/healthz"))
        wait_until(lambda: is_up(f"{self.flower_url}/healthcheck"))

    def start_workers(self, count: int) -> list[str]:
        """Run `count` workers, and return their names once all of them answer."""
        names = self.workers[:count]
        for name in names:
            if not self.has_started(name):
                self.start(name)
        self.wait_for_workers(count)
        return names

    def wait_for_workers(self, count: int) -> None:
        """Return once `count` workers answer a ping."""
        with make_celery(self.settings) as celery:
            wait_until(lambda: len(celery.control.ping(timeout=1.0, limit=count) or ()) >= count)
