"""The sandbox as a command."""

import json
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import imagequeue.sandbox
from imagequeue.sandbox.__main__ import main
from imagequeue.sandbox.faults.rates import RATES
from imagequeue.sandbox.faults.words import WORDS
from support.processes import eventually
from support.sandbox import COMMAND, QUICK, Sandbox


def test_stops_at_once_while_a_callback_is_sent(tmp_path: Path) -> None:
    log = tmp_path / "submissions.jsonl"
    process = subprocess.Popen(
        [*COMMAND, *QUICK, "--log", str(log)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    sandbox = Sandbox(process.stdout.readline().split()[-1])
    # A receiver that accepts connections and never answers.
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as silent:
        sandbox.flux("a cat", callBackUrl=f"http://127.0.0.1:{silent.server_port}/")
        sent = lambda: sandbox.get("/sandbox/ledger").json()["total"]["callbacks_sent"]  # noqa: E731
        eventually(sent)
        assert sandbox.get("/healthz", key="").json() == {"status": "ok"}
        assert "[answer=lost]" in sandbox.get("/", key="").text
        process.terminate()
        rest, _ = process.communicate(timeout=10)
    assert (process.returncode, rest) == (0, "")
    (line,) = map(json.loads, log.read_text().splitlines())
    assert line["prompt"] == "a cat"
    assert line["charged"] == 5


def test_port_in_use_is_one_clear_line() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as taken:
        command = [*COMMAND[:-1], str(taken.server_port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert done.stderr == (
        f"Error: cannot listen on 127.0.0.1:{taken.server_port}: Address already in use\n"
    )


@pytest.mark.parametrize("flag", ["answer_lost", "answer_lost=2", "answer_lots=0.5"])
def test_invalid_rate_is_refused_at_the_start(flag: str) -> None:
    done = subprocess.run([*COMMAND, "--faults", flag], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert "answer_lost" in done.stderr


def test_readme_names_every_flag_word_and_rate() -> None:
    readme = Path(imagequeue.sandbox.__path__[0], "README.md").read_text()
    flags = {flag for option in main.params for flag in option.opts}
    words = {f"[{word.syntax}]" for word in WORDS}
    missing = [name for name in (*flags, *words, *RATES) if f"`{name}" not in readme]
    assert missing == []
