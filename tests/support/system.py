"""A running system, and the programs that use it."""

import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import requests

from support.processes import clean_environment


class System(NamedTuple):
    """A system with simulated providers."""

    folder: Path
    api: str
    flask_port: int
    fastapi_port: int
    node_port: int

    @property
    def env(self) -> dict[str, str]:
        """The variables of a program that uses it."""
        return {**clean_environment(), "API_URL": self.api, "IMAGEQUEUE_URL": self.api}

    def run(self, *command: str | Path, **env: str) -> list[str]:
        """Run a program in the folder of `data/`, and return the lines it printed."""
        ran = subprocess.run(
            command, cwd=self.folder, env={**self.env, **env}, capture_output=True, text=True
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout.splitlines()

    def get(self, path: str, **query: Any) -> Any:
        """Return what the API answers about jobs."""
        answer = requests.get(f"{self.api}/v1/jobs{path}", params=query, timeout=60)
        answer.raise_for_status()
        return answer.json()
