"""moto's S3 over HTTP, as a process whose objects are in memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import requests

from benchmarks.system import LOCAL, Host, is_up, wait_until
from imagequeue.producer.local.ports import free_port

BUCKET = "images"


class S3Server:
    """An S3 with one bucket, which this process and those that it starts have access to."""

    storage_url = f"s3://{BUCKET}/chaos"

    def __init__(self, folder: Path, host: Host = LOCAL) -> None:
        self.url = f"http://{host.address}:{free_port()}"
        self._command = [
            *(*host.enter, sys.executable, "-m", "moto.server"),
            *("-H", host.address, "-p", self.url.rpartition(":")[2]),
        ]
        self._log = folder / "s3.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return once the bucket exists."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(lambda: is_up(self.url))
        requests.put(f"{self.url}/{BUCKET}", timeout=10).raise_for_status()
        os.environ |= {
            "AWS_ACCESS_KEY_ID": "a key",
            "AWS_SECRET_ACCESS_KEY": "a secret",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": "us-east-1",
        }

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
