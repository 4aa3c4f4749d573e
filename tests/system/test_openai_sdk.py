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
from imagequeue.jobs.job import State
from imagequeue.producer.client import LocalClient
from imagequeue.producer.local.ports import free_port
from support.node import copy_program
from support.processes import WORKER, Process, answers, eventually, sandbox

KEY = "a-key-of-a-program"
MODEL = "kie/nano-banana-2"
UNSENT = (State.QUEUED, State.SUBMITTING)


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[str]:
    with sandbox(tmp_path, "--latency", "4", "--kie-limit", "0") as url:
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


def wait_for_jobs(client: LocalClient, count: int) -> None:
    """Return once there are so many jobs, and the provider has made, or makes, each."""

    def look() -> bool:
        jobs = client.list().jobs
        return len(jobs) >= count and not any(job.state in UNSENT for job in jobs)

    eventually(look, 60)


def check(provider: str, client: LocalClient, images: dict[str, str]) -> None:
    """Check that each prompt was paid once, and that its image is the one of its only job."""
    books = requests.get(f"{provider}/sandbox/submissions", timeout=10).json()
    assert sorted(each["prompt"] for each in books) == sorted(images)
    jobs = {job.prompt: job for job in client.list().jobs}
    assert set(jobs) == set(images)
    for prompt, image in images.items():
        uri = jobs[prompt].images[0].uri or ""
        assert base64.b64decode(image) == Path(uri.removeprefix("file://")).read_bytes()


def make_and_edit(port: int) -> tuple[str, str]:
    """Use the SDK for Python as a program does; returns both images as base64."""
    with OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=KEY, max_retries=9) as sdk:
        made = sdk.images.generate(model=MODEL, prompt="a cat", size="1024x1024").data or []
        image = base64.b64decode(made[0].b64_json or "")
        files = [("cat.png", image)]
        edited = sdk.images.edit(model=MODEL, prompt="a cat with a hat", image=files).data or []
        assert requests.get(made[0].url or "", timeout=30).content == image
        return made[0].b64_json or "", edited[0].b64_json or ""


def make_and_edit_in_node(port: int, folder: Path) -> tuple[str, str]:
    """Use the SDK for Node as a program does; returns both images as base64."""
    env = {"OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1", "OPENAI_API_KEY": KEY}
    command = ["node", "openai_sdk.mjs", MODEL, "a dog"]
    ran = subprocess.run(
        command, cwd=folder, env={**os.environ, **env}, capture_output=True, text=True, timeout=100
    )
    assert ran.returncode == 0, ran.stderr
    said: dict[str, Any] = json.loads(ran.stdout)
    assert MODEL in said["models"]
    made, edited = (said[name]["data"][0]["b64_json"] for name in ("made", "edited"))
    return made, edited


def test_sdks_get_their_images_though_processes_are_killed(
    start: Start, settings: Settings, provider: str, tmp_path: Path
) -> None:
    folder = copy_program("openai_sdk.mjs", tmp_path)
    port, client = free_port(), LocalClient(settings)
    worker, api = start(*WORKER), start_api(start, port)
    with ThreadPoolExecutor() as pool:
        node = pool.submit(make_and_edit_in_node, port, folder)
        wait_for_jobs(client, 1)
        python = pool.submit(make_and_edit, port)
        wait_for_jobs(client, 2)
        worker.kill()
        api.kill()
        worker = start(*WORKER)
        start_api(start, port)
        wait_for_jobs(client, 4)
        worker.kill()
        start(*WORKER)
        cat, cat_with_hat = python.result()
        dog, dog_with_hat = node.result()
    images = {"a cat": cat, "a dog": dog}
    images |= {"a cat with a hat": cat_with_hat, "a dog with a hat": dog_with_hat}
    check(provider, client, images)
