"""Programs with OpenAI's SDKs, while processes are killed: one payment for each image."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from conftest import Start
from openai import OpenAI

from imagequeue.config.settings import Settings
from imagequeue.jobs.job import Job, State
from imagequeue.producer.client import LocalClient
from imagequeue.producer.local.ports import free_port
from support.node import copy_program
from support.processes import WORKER, Process, answers, eventually, sandbox

KEY = "a-key-of-a-program"
MODEL = "kie/nano-banana-2"


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[str]:
    with sandbox(tmp_path, "--latency", "1.5", "--kie-limit", "0") as url:
        yield url


@pytest.fixture
def overrides(overrides: dict[str, str], provider: str) -> dict[str, str]:
    return {
        **overrides,
        "api_keys": f"shop:{KEY}",
        "kie_base_url": provider,
        "kie_upload_url": provider,
        "download_trusted_hosts": provider.removeprefix("http://"),
        "poll_countdowns": "0.5,0.5,0.5,0.5",
        "poll_tail_s": "0.5",
        "sweep_every_s": "0.1",
        "lease_s": "2",
        "unconfirmed_after_s": "60",
    }


def start_api(start: Start, port: int) -> Process:
    process = start(sys.executable, "-m", "imagequeue.producer.api", "--port", str(port))
    eventually(lambda: answers(f"http://127.0.0.1:{port}/healthz"))
    return process


def wait_for_job(client: LocalClient, count: int, *states: State) -> Job:
    """Return the newest of so many jobs once it is in one of the states."""

    def look() -> Job | None:
        jobs = client.list().jobs
        return jobs[0] if len(jobs) == count and jobs[0].state in states else None

    return eventually(look, 60)


def check(provider: str, client: LocalClient, images: dict[str, str]) -> None:
    """Check that each prompt was paid once, and that its image is the one of its only job."""
    books = requests.get(f"{provider}/sandbox/submissions", timeout=10).json()
    assert sorted(each["prompt"] for each in books) == sorted(images)
    jobs = {job.prompt: job for job in client.list().jobs}
    assert set(jobs) == set(images)
    for prompt, image in images.items():
        uri = jobs[prompt].images[0].uri or ""
        assert base64.b64decode(image) == Path(uri.removeprefix("file://")).read_bytes()


def test_python_sdk_gets_images_though_processes_are_killed(
    start: Start, settings: Settings, provider: str
) -> None:
    port, client = free_port(), LocalClient(settings)
    api, worker = start_api(start, port), start(*WORKER)
    images: dict[str, str] = {}
    with (
        OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=KEY, max_retries=9) as sdk,
        ThreadPoolExecutor() as pool,
    ):
        making = pool.submit(sdk.images.generate, model=MODEL, prompt="a cat", size="1024x1024")
        wait_for_job(client, 1, State.WAITING, State.OVERDUE, State.DOWNLOADING)
        worker.kill()
        api.kill()
        api, worker = start_api(start, port), start(*WORKER)
        made = making.result().data or []
        images["a cat"] = made[0].b64_json or ""
        picture = base64.b64decode(images["a cat"])
        editing = pool.submit(
            sdk.images.edit, model=MODEL, prompt="a hat", image=("cat.png", picture)
        )
        wait_for_job(client, 2, State.WAITING, State.OVERDUE, State.DOWNLOADING)
        worker.kill()
        api.kill()
        start_api(start, port)
        start(*WORKER)
        edited = editing.result().data or []
        images["a hat"] = edited[0].b64_json or ""
        assert requests.get(edited[0].url or "", timeout=30).content == base64.b64decode(
            images["a hat"]
        )
    check(provider, client, images)


def test_node_sdk_makes_and_edits_images(
    start: Start, settings: Settings, provider: str, tmp_path: Path
) -> None:
    port, client = free_port(), LocalClient(settings)
    folder = copy_program("openai_sdk.mjs", tmp_path)
    api, worker = start_api(start, port), start(*WORKER)
    env = {
        **os.environ,
        "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1",
        "OPENAI_API_KEY": KEY,
    }
    command = ["node", "openai_sdk.mjs", MODEL, "a cat"]
    with subprocess.Popen(
        command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as node:
        wait_for_job(client, 2, State.WAITING, State.OVERDUE, State.DOWNLOADING)
        worker.kill()
        api.kill()
        start_api(start, port)
        start(*WORKER)
        printed, errors = node.communicate(timeout=100)
    assert node.returncode == 0, errors
    said: dict[str, Any] = json.loads(printed)
    assert MODEL in said["models"]
    made, edited = (said[name]["data"][0]["b64_json"] for name in ("made", "edited"))
    check(provider, client, {"a cat": made, "a cat with a hat": edited})
