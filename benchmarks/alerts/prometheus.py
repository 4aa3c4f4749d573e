"""A Prometheus that scrapes the API every second, and what its alerts did meanwhile."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import requests
from ruamel.yaml import YAML

from benchmarks.system import is_up, wait_until
from imagequeue.producer.local.ports import LOOPBACK, free_port

JOB = "imagequeue"
INTERVAL = "1s"
LOOKBACK_S = 300
"""How long Prometheus takes a value for the present one, after its job was removed."""
POLL_EVERY_S = 0.25


class Prometheus:
    """The server, in a folder with the rules `alerts.yml`."""

    def __init__(self, folder: Path, api_url: str, factor: int) -> None:
        self._folder = folder
        self._config = folder / "prometheus.yml"
        self._api = api_url.removeprefix("http://")
        self._api_key = ""
        self._lookback = f"{LOOKBACK_S * 1000 // factor}ms"
        self.url = f"http://{LOOPBACK}:{free_port()}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, api_key: str) -> None:
        """Start it with a key of the API, and return once it answers."""
        self._api_key = api_key
        self._configure(JOB)
        with (self._folder / "prometheus.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *("prometheus", f"--config.file={self._config}", "--log.level=warn"),
                    f"--storage.tsdb.path={self._folder / 'prometheus'}",
                    f"--query.lookback-delta={self._lookback}",
                    f"--web.listen-address={self.url.removeprefix('http://')}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until(lambda: is_up(f"{self.url}/-/ready"))

    def rename_job(self, name: str) -> None:
        """Scrape the API under another name of the job, as after a mistake."""
        self._configure(name)
        if self._process:
            self._process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """End it."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def get(self, path: str, **params: Any) -> Any:
        """Return the data of a request to its API."""
        answer = requests.get(f"{self.url}/api/v1/{path}", params=params, timeout=30)
        answer.raise_for_status()
        return answer.json()["data"]

    def _configure(self, name: str) -> None:
        job = {
            "job_name": name,
            "authorization": {"credentials": self._api_key},
            "static_configs": [{"targets": [self._api]}],
        }
        site = {"imagequeue_docs": "https://docs.example.com"}
        config = {
            "global": {
                "scrape_interval": INTERVAL,
                "scrape_timeout": INTERVAL,
                "evaluation_interval": INTERVAL,
                "external_labels": site,
            },
            "scrape_configs": [job],
            "rule_files": ["alerts.yml"],
        }
        YAML(typ="safe").dump(config, self._config)


class Firing(NamedTuple):
    """An alert that fires."""

    at: float
    """The monotonic time at which it was first seen."""
    labels: dict[str, str]
    annotations: dict[str, str]


class AlertLog(threading.Thread):
    """Notes when each alert first fired since the last `clear`, and which ones fire now."""

    def __init__(self, prometheus: Prometheus) -> None:
        super().__init__(daemon=True)
        self._prometheus = prometheus
        self._lock = threading.Lock()
        self._fired: dict[str, Firing] = {}
        self.active: frozenset[str] = frozenset()
        """The alerts that fire, or soon will."""

    def run(self) -> None:
        """Ask until the program ends."""
        while True:
            with suppress(requests.RequestException):
                self._note(self._prometheus.get("alerts")["alerts"])
            time.sleep(POLL_EVERY_S)

    def _note(self, alerts: list[dict[str, Any]]) -> None:
        at = time.monotonic()
        self.active = frozenset(alert["labels"]["alertname"] for alert in alerts)
        with self._lock:
            for alert in alerts:
                name = alert["labels"]["alertname"]
                if alert["state"] == "firing" and name not in self._fired:
                    self._fired[name] = Firing(at, alert["labels"], alert["annotations"])

    def clear(self) -> None:
        """Forget what has fired."""
        with self._lock:
            self._fired.clear()

    def list_fired(self) -> dict[str, Firing]:
        """Return what has fired since."""
        with self._lock:
            return dict(self._fired)
