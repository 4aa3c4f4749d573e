"""The API as a process of its own, and requests to it."""

import sys

import requests
from conftest import Start

from imagequeue.producer.local.ports import free_port
from support.invalid_requests import VALID
from support.processes import Process, answers, eventually


def run_api(start: Start) -> tuple[Process, str]:
    port = str(free_port())
    process = start(sys.executable, "-m", "uvicorn", "imagequeue.producer.api:app", "--port", port)
    url = f"http://127.0.0.1:{port}"
    eventually(lambda: answers(f"{url}/healthz"))
    return process, url


def submit(api: str) -> requests.Response:
    return requests.post(f"{api}/v1/jobs", json={**VALID, "delivery": "poll"}, timeout=30)


def state_of(api: str, job: str) -> str:
    return str(requests.get(f"{api}/v1/jobs/{job}", timeout=30).json()["state"])
