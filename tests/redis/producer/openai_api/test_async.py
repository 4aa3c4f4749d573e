"""Requests for images that are answered before these are made."""

from typing import Any

import pytest
import requests

from imagequeue.jobs.job import Reason
from imagequeue.worker.context import Context
from support.openai_api import KEY, ending, fail, finish
from support.worker.downloads import folder_of

AUTH = {"Authorization": f"Bearer {KEY}"}
CAT: dict[str, Any] = {"model": "kie-flux-kontext", "prompt": "a cat", "response_format": "url"}


def accept(site: str, **more: Any) -> requests.Response:
    headers = {**AUTH, "Prefer": "respond-async", "x-stainless-retry-count": "0"}
    url = f"{site}/v1/images/generations"
    answer = requests.post(url, json={**CAT, **more}, headers=headers, timeout=30)
    assert answer.status_code == 202, answer.text
    return answer


def get(site: str, path: str, prefer: str = "") -> requests.Response:
    return requests.get(f"{site}{path}", headers={**AUTH, "Prefer": prefer}, timeout=30)


@pytest.mark.parametrize("n", [1, 2])
def test_accepted_request_says_where_its_images_will_be(site: str, ctx: Context, n: int) -> None:
    said = accept(site, n=n)
    body, where = said.json(), said.headers["Location"]
    assert (body["status"], body["object"]) == ("queued", "image.pending")
    assert where == f"/v1/images/{body['job']}?response_format=url"
    assert get(site, where).json() == body
    with ending(ctx):
        answer = get(site, where, "wait=30")
    assert (answer.status_code, answer.json()["job"]) == (200, body["job"])
    assert [set(image) for image in answer.json()["data"]] == [{"url"}] * n


def test_failed_job_is_an_error(site: str, ctx: Context) -> None:
    job_id = accept(site).json()["job"]
    fail(ctx, job_id, Reason.POLICY)
    answer = get(site, f"/v1/images/{job_id}")
    assert (answer.status_code, answer.headers["x-should-retry"]) == (400, "false")
    assert answer.json()["error"]["code"] == "content_policy_violation"


def test_accepted_request_is_answered_and_waits_for_no_repetition(site: str, ctx: Context) -> None:
    first, second = accept(site).json()["job"], accept(site).json()["job"]
    assert first != second
    finish(ctx, first)
    assert get(site, f"/v1/images/{first}").status_code == 200


@pytest.mark.parametrize("job", ["job_01KAJ6WRX0M9S3H1V5T7Q2Z4CD", "batch_x", "x"])
def test_unknown_job_is_404(site: str, job: str) -> None:
    answer = get(site, f"/v1/images/{job}")
    assert answer.status_code == 404
    assert job in answer.json()["error"]["message"]


def test_respond_async_with_a_wait_answers_with_what_is_there(site: str, ctx: Context) -> None:
    headers = {**AUTH, "Prefer": "respond-async, wait=30"}
    with ending(ctx):
        url = f"{site}/v1/images/generations"
        answer = requests.post(url, json=CAT, headers=headers, timeout=30)
    assert answer.status_code == 200


def test_image_whose_file_is_gone_is_404_and_not_asked_for_again(site: str, ctx: Context) -> None:
    job_id = accept(site).json()["job"]
    finish(ctx, job_id)
    for file in folder_of(ctx).rglob("*.png"):
        file.unlink()
    answer = get(site, f"/v1/images/{job_id}")
    assert (answer.status_code, answer.headers["x-should-retry"]) == (404, "false")
    (image,) = get(site, f"/v1/images/{job_id}?response_format=url").json()["data"]
    assert requests.get(image["url"], timeout=30).status_code == 404


def test_batch_with_more_images_than_a_request_is_refused(site: str) -> None:
    item = {"provider": "kie-flux-kontext", "prompt": "a cat"}
    url = f"{site}/v1/batches"
    batch = requests.post(url, json={"items": [item] * 11}, headers=AUTH, timeout=30).json()["id"]
    answer = get(site, f"/v1/images/{batch}")
    assert answer.status_code == 400
    assert f"/v1/batches/{batch}/jobs" in answer.json()["error"]["message"]
