"""The system of the benchmarks, with processes that start quickly."""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchmarks.system import System
from support.forked import Forked, find_program


class ForkedSystem(System):
    """Forks its programs instead of starting them anew."""

    def launch(
        self, command: list[str], env: dict[str, str], log: Path
    ) -> subprocess.Popen[bytes] | Forked:
        program = find_program(command)
        assert program, command
        with log.open("ab") as output:
            return Forked(program, env, self.folder, output.fileno())
