"""Flower with our configuration: it shows jobs, finds them, and counts queued messages."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from conftest import SETTINGS

from imagequeue.config.queues import Queue
from imagequeue.config.settings import PREFIX
from imagequeue.producer.local.ports import free_port
from imagequeue.store.due.wakeups import Priority
from imagequeue.worker.context import Context
from support.jobs import queued
from support.processes import BIN, Process, answers, eventually, running

Start = Callable[..., Process]
CELERY = (str(BIN / "celery"), "-A", "imagequeue.worker")


@pytest.fixture(scope="module")
def flower(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    url = f"http://127.0.0.1:{(port := free_port())}"
    env = {f"{PREFIX}{name.upper()}": value for name, value in SETTINGS.items()}
    env[f"{PREFIX}REDIS_URL"] = redis_server
    folder = tmp_path_factory.mktemp("flower")
    with running([*CELERY, "flower", f"--port={port}"], env, folder) as process:
        eventually(lambda: answers(f"{url}/healthcheck"))
        yield url
    assert "Traceback" not in process.output


def tasks(flower: str, search: str = "") -> list[dict[str, Any]]:
    """Return the rows of the page's table, requested as its script does."""
    page = {"draw": 1, "start": 0, "length": 10, "search[value]": search}
    order = {"order[0][column]": 0, "columns[0][data]": "name", "order[0][dir]": "asc"}
    answer = requests.get(f"{flower}/tasks/datatable", params={**page, **order}, timeout=10)
    rows: list[dict[str, Any]] = answer.json()["data"]
    return rows


def test_task_is_shown_and_found_by_its_job(flower: str, start: Start, ctx: Context) -> None:
    worker = start(*CELERY, "worker", "-Q", "download", "-P", "solo", "-n", "one@%h")
    worker.wait_for("ready.")
    job_id = queued(ctx)
    ctx.dispatcher._send(Queue.DOWNLOAD, {job_id: Priority.NORMAL})
    (row,) = eventually(lambda: [row for row in tasks(flower) if row["state"] == "SUCCESS"])
    assert (row["name"], row["args"], row["kwargs"]) == ("download", job_id, "")
    assert row["result"] == "1"
    assert row["uuid"] == f"{job_id}.download"
    page = requests.get(f"{flower}/task/{row['uuid']}", timeout=10).text
    assert f"<code>{job_id}</code>" in page
    # The link of the shown name, and what a person searches for.
    for search in ("name:download", job_id, f"args:{job_id}"):
        assert len(tasks(flower, search)) == 1
    assert tasks(flower, "name:submit") == []


def test_flower_knows_our_columns(flower: str) -> None:
    page = requests.get(f"{flower}/tasks", timeout=10).text
    head = page.partition("<thead>")[2].partition("</thead>")[0]
    shown = re.findall(r"<th[^>]*>\s*(.*?)\s*</th>", head)
    assert shown == [
        *("args", "Name", "State", "Received", "Runtime", "Result", "Retries", "Worker", "UUID")
    ]


def test_queue_depth_counts_both_priorities(flower: str, ctx: Context) -> None:
    priorities = {
        f"job_{number}": priority for number, priority in enumerate((*Priority, Priority.LOW))
    }
    ctx.dispatcher._send(Queue.DOWNLOAD, priorities)
    page = requests.get(f"{flower}/broker", timeout=10).text
    rows = re.findall(r'<tr id="(\w+)">(.*?)</tr>', page, re.DOTALL)
    depths = {name: re.findall(r"<td[^>]*>\s*(.*?)\s*</td>", row)[1] for name, row in rows}
    assert depths == {queue: "3" if queue is Queue.DOWNLOAD else "0" for queue in Queue}


@pytest.mark.parametrize(
    "headers",
    [{"Host": "rebound.example"}, {"X-Forwarded-For": "203.0.113.9"}, {"Connection": "close"}],
    ids=str,
)
def test_without_password_only_local_requests_are_answered(
    flower: str, headers: dict[str, str]
) -> None:
    for path in ("/", "/workers", "/tasks/datatable", "/static/js/flower.js", "/none"):
        assert requests.get(flower + path, headers=headers, timeout=10).status_code == 403
    assert requests.get(f"{flower}/workers", timeout=10).ok


def test_with_password_any_host_is_answered(start: Start) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}"
    start(*CELERY, "flower", f"--port={port}", "--basic-auth=user:password")
    eventually(lambda: answers(f"{url}/healthcheck"))
    headers = {"Host": "flower.example", "X-Forwarded-For": "203.0.113.9"}
    assert requests.get(f"{url}/workers", headers=headers, timeout=10).status_code == 401
    password = ("user", "password")
    assert requests.get(f"{url}/workers", headers=headers, auth=password, timeout=10).ok
