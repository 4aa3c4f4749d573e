"""The guard of `imagequeue up` ends what a killed owner leaves behind, the server last."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.processes import clean_environment, eventually

# Each process adds its name to a file when it ends by SIGTERM.
PROCESS = """
import pathlib, signal, sys, time
def end(*_):
    with open("ended", "a") as file: print(sys.argv[1], file=file)
    sys.exit()
signal.signal(signal.SIGTERM, signal.SIG_IGN if sys.argv[1] == "stubborn" else end)
pathlib.Path(sys.argv[1]).touch()
time.sleep(600)
"""
OWNER = """
import os, pathlib, subprocess, sys, time
from imagequeue.producer.local.guard import Guard
started = [
    subprocess.Popen([sys.executable, "-c", sys.argv[1], name], start_new_session=True)
    for name in ("server", sys.argv[2])
]
while not all(pathlib.Path(name).exists() for name in ("server", sys.argv[2])): time.sleep(0.02)
guard = Guard(1 if sys.argv[2] == "stubborn" else 60)
guard.watch(started[0].pid, [])
guard._process.kill()
guard._process.wait()
guard.watch(started[0].pid, [started[1].pid])
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize(
    ("child", "ended"), [("child", "child\nserver\n"), ("stubborn", "server\n")]
)
def test_killed_owner_ends_its_children_then_its_server(
    tmp_path: Path, child: str, ended: str
) -> None:
    command = [sys.executable, "-c", OWNER, PROCESS, child]
    owner = subprocess.run(command, cwd=tmp_path, env=clean_environment())
    assert owner.returncode == -9
    eventually(lambda: (tmp_path / "ended").exists() and (tmp_path / "ended").read_text() == ended)
