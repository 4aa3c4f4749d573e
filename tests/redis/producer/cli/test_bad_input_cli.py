"""The command line refuses invalid input with status 2 and one line that says what to change."""

import json
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from imagequeue.config.settings import PREFIX
from imagequeue.producer.local.ports import free_port
from support.cli import Ran, imagequeue
from support.invalid_requests import INVALID_REQUESTS, NAMES, VALID
from support.processes import BIN, clean_environment
from support.redis import evicting_redis, traces

Overrides = dict[str, str]


def assert_refused(ran: Ran, *words: str) -> None:
    assert (ran.status, ran.out) == (2, "")
    line, *problems = ran.err.splitlines()
    if problems:  # each on a line of its own
        assert line == "imagequeue: refused:"
        assert all(each.startswith("  ") for each in problems)
        line += "".join(problems)
    assert line.startswith("imagequeue: ")
    assert [word for word in words if word not in line] == []


def to_arguments(request: dict[str, Any]) -> list[str]:
    """Return the arguments of `imagequeue submit` for a request."""
    options = [f"--param={name}={value}" for name, value in request.pop("params", {}).items()]
    options += [f"--image={url}" for url in request.pop("image_urls", [])]
    options += [f"--metadata={json.dumps(request.pop('metadata', {}))}"]
    provider, prompt = request.pop("provider"), request.pop("prompt")
    return ["submit", provider, prompt, *options, *(f"--{k}={v}" for k, v in request.items())]


@pytest.mark.parametrize(("_", "change", "field", "words"), INVALID_REQUESTS, ids=NAMES)
def test_invalid_request_is_refused_alone_and_in_a_batch(
    overrides: Overrides, _: str, change: dict[str, Any], field: str, words: str
) -> None:
    alone = imagequeue(*to_arguments({**VALID, **change}), settings=overrides)
    assert_refused(alone, f" {field}: ", words)
    lines = f"{json.dumps(VALID)}\n\n{json.dumps({**VALID, **change})}\n"
    batch = imagequeue("batch", "-", settings=overrides, stdin=lines)
    assert_refused(batch, f" line 3: {field}: ", words)
    assert traces(overrides["redis_url"]) == []


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        (["submit", "acedata-flux", "x", "--metadata={"], "", "--metadata is not JSON"),
        (["submit", "acedata-flux", "x", "--metadata=[]"], "", "--metadata must be a JSON object"),
        (["submit", "acedata-flux", "x", "--param=size"], "", "--param size: write NAME=VALUE"),
        (["submit"], "", "Missing argument 'PROVIDER'"),
        (["batch", "-"], '{"provider": "x"}\n{"a\n7', "line 1: provider"),
        (["batch", "-"], '{"provider": "x"}\n{"a\n7', "line 2: request: must be a JSON object"),
        (["batch", "-"], '{"provider": "x"}\n{"a\n7', "line 3: request: must be a JSON object"),
        (["batch", "-"], "\n7\n", "line 2: request: must be a JSON object"),
        (["batch", "missing.jsonl"], "", "No such file"),
        (["list", "--state=done"], "", "--state is one of queued"),
        (["list", "--limit=0"], "", "--limit"),
        (["list", "--cursor=2"], "", "cursor: must be the cursor of the previous page"),
        (["status", "job_none"], "", "no job job_none"),
        (["up", "--api-port=70000"], "", "--api-port"),
        (["sumbit"], "", "No such command 'sumbit'"),
    ],
)
def test_wrong_usage_is_refused(
    overrides: Overrides, arguments: list[str], stdin: str, words: str
) -> None:
    assert_refused(imagequeue(*arguments, settings=overrides, stdin=stdin), words)
    assert traces(overrides["redis_url"]) == []


def test_binary_batch_file_is_refused(overrides: Overrides, tmp_path: Path) -> None:
    (tmp_path / "batch.jsonl").write_bytes(b'{"provider": "\xff"}')
    assert_refused(imagequeue("batch", "batch.jsonl", settings=overrides), "not UTF-8 text")


def test_missing_provider_key_names_its_variable(overrides: Overrides) -> None:
    del overrides["acedata_api_key"]
    ran = imagequeue(*to_arguments({**VALID}), settings=overrides)
    assert_refused(ran, "no key for acedata: set IMAGEQUEUE_ACEDATA_API_KEY")
    assert traces(overrides["redis_url"]) == []


@pytest.mark.parametrize("url", ["unix:///nowhere/redis.sock", "redis://127.0.0.1:1"])
def test_unreachable_redis_is_named(overrides: Overrides, url: str) -> None:
    ran = imagequeue(*to_arguments({**VALID}), settings={**overrides, "redis_url": url})
    assert_refused(ran, "Redis does not answer", "check IMAGEQUEUE_REDIS_URL")


def test_missing_redis_names_both_remedies(overrides: Overrides) -> None:
    ran = imagequeue("list", settings={**overrides, "redis_url": ""})
    assert_refused(ran, "set IMAGEQUEUE_REDIS_URL, or run `imagequeue up`")


def test_evicting_redis_is_refused(overrides: Overrides, tmp_path: Path) -> None:
    with evicting_redis(tmp_path) as url:
        ran = imagequeue(*to_arguments({**VALID}), settings={**overrides, "redis_url": url})
        assert_refused(ran, "may evict jobs (maxmemory-policy allkeys-lru)", "noeviction")
        assert traces(url) == []


def test_up_refuses_a_port_in_use_and_names_its_flag(overrides: Overrides) -> None:
    ports = [f"--{name}-port={free_port()}" for name in ("api", "flower")]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = _process("up", *ports, f"--callback-port={port}", env=overrides)
    starting, refusal = ran.err.splitlines()
    assert starting.startswith("starting; the log is ")
    ran = ran._replace(err=refusal)
    assert_refused(ran, f"port {port} cannot be used", "choose another with --callback-port")


def test_refusal_of_a_real_process_is_one_line(overrides: Overrides) -> None:
    ran = _process("submit", "acedata-flux", env={**overrides, "lease_s": "soon"})
    assert_refused(ran, "IMAGEQUEUE_LEASE_S: ")
    assert_refused(_process("submit", "acedata-flux", env=overrides), "prompt: must not be empty")


def _process(*arguments: str, env: Overrides) -> Ran:
    variables = {f"{PREFIX}{name.upper()}": value for name, value in env.items()}
    command = [str(BIN / "imagequeue"), *arguments]
    ended = subprocess.run(
        command, env={**clean_environment(), **variables}, capture_output=True, text=True
    )
    return Ran(ended.returncode, ended.stdout, ended.stderr)
