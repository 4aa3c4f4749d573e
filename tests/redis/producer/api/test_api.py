"""The HTTP API: jobs are submitted, listed, cancelled and retried."""

from pathlib import Path
from typing import Any

import pytest
import requests

from imagequeue.jobs.job import JobError, Reason, State
from imagequeue.worker.context import Context
from support.jobs import move, picture, queued
from support.processes import eventually

FIELDS = (
    "id state provider action prompt image_urls params delivery task_id account_key "
    "priority not_before after metadata image_name submitted_by batch webhook_url fallback error "
    "images origins created_at updated_at history charged cost"
)
DETAILS = ("queue", "deliveries")
IMAGE_FIELDS = (
    "index kind source_url expires_at state error name uri sha256 bytes ignored_bytes content_type "
    "width height"
)
REQUEST = {
    "provider": "acedata-flux",
    "action": "edit",
    "prompt": "a white siamese cat",
    "image_urls": ["https://example.com/cat.png"],
    "params": {"model": "flux-kontext-pro"},
    "delivery": "auto",
    "metadata": {"order": 7},
}


@pytest.fixture
def api(site: str) -> str:
    return f"{site}/v1/jobs"


def get(url: str, **options: Any) -> Any:
    answer = requests.get(url, timeout=30, **options)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_submitted_job_has_exactly_the_public_fields(api: str, ctx: Context) -> None:
    answer = requests.post(api, json=REQUEST, timeout=30)
    assert answer.status_code == 202
    job = answer.json()
    assert " ".join(job) == FIELDS
    assert {**REQUEST, "delivery": "poll"}.items() <= job.items()
    assert (job["state"], job["history"], job["created_at"]) == ("queued", [], job["updated_at"])
    found = get(f"{api}/{job['id']}")
    assert {name for name in job if job[name] != found[name]} <= {"created_at", "updated_at"}
    assert found["queue"]["waits_for"] == "worker"
    eventually(lambda: ctx.store.redis.llen("submit") == 1)


def test_history_and_images_show_no_internal_field(api: str, ctx: Context) -> None:
    job_id = queued(ctx)
    image = picture(ctx, attempts=3)
    move(ctx, job_id, State.SUBMITTING, State.WAITING, State.DOWNLOADING, images=(image,))
    job = get(f"{api}/{job_id}")
    assert " ".join(name for name in job if name not in DETAILS) == FIELDS
    assert [job[name] for name in DETAILS] == [None, []]
    assert [" ".join(each) for each in job["images"]] == [IMAGE_FIELDS]
    moves = [(each["from"], each["to"], each["cause"]) for each in job["history"]]
    assert moves[:2] == [("queued", "submitting", "test"), ("submitting", "waiting", "test")]
    assert list(job["history"][0]) == ["at", "from", "to", "cause"]


def test_list_is_paged_newest_first_and_filtered(api: str, ctx: Context) -> None:
    ids = []
    for provider in ("kie-flux-kontext", "kie-midjourney", "acedata-flux") * 2:
        ctx.now.advance(1)  # type: ignore[attr-defined]
        ids.append(queued(ctx, provider=provider))
    ids.reverse()
    seen, cursor = [], None
    for size in (4, 2):
        page = get(api, params={"limit": 4, "cursor": cursor})
        assert len(page["jobs"]) == size
        seen += [job["id"] for job in page["jobs"]]
        cursor = page["cursor"]
    assert (seen, cursor) == (ids, None)
    move(ctx, ids[0], State.SUBMITTING)
    assert _listed(api, state="submitting") == ids[:1]
    assert _listed(api, provider="acedata-flux") == [ids[0], ids[3]]
    assert _listed(api, provider="acedata-flux", state="queued") == [ids[3]]


def _listed(api: str, **filters: str) -> list[str]:
    return [job["id"] for job in get(api, params=filters)["jobs"]]


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ((), "nothing was sent: free of charge"),
        (
            (State.SUBMITTING, State.WAITING),
            "the charge stands; a result that arrives is still recorded",
        ),
        (
            (State.SUBMITTING, State.UNCONFIRMED),
            "the charge may stand; a result that arrives is still recorded",
        ),
    ],
)
def test_cancelled_job_says_what_it_cost(
    api: str, ctx: Context, states: tuple[State, ...], words: str
) -> None:
    job_id = queued(ctx)
    if states:
        move(ctx, job_id, *states)
    job = requests.post(f"{api}/{job_id}/cancel", timeout=30).json()
    assert job["error"] == {"reason": "cancelled", "code": "", "message": words}


def test_queued_job_is_cancelled_once(api: str, ctx: Context) -> None:
    job_id = queued(ctx)
    assert requests.post(f"{api}/{job_id}/cancel", timeout=30).json()["state"] == "cancelled"
    again = requests.post(f"{api}/{job_id}/cancel", timeout=30)
    assert (again.status_code, again.headers["Content-Type"]) == (409, "application/problem+json")
    assert f"{job_id} is cancelled" in again.json()["detail"]


def test_retry_pays_again_only_with_pay_again(api: str, ctx: Context) -> None:
    job_id = queued(ctx)
    move(ctx, job_id, State.SUBMITTING, State.FAILED, error=JobError(reason=Reason.PROVIDER))
    for body in (None, {}, {"pay_again": False}):
        answer = requests.post(f"{api}/{job_id}/retry", json=body, timeout=30)
        assert (answer.status_code, "give pay_again" in answer.text) == (409, True)
    answer = requests.post(f"{api}/{job_id}/retry", json={"pay_again": True}, timeout=30)
    assert (answer.status_code, answer.json()["state"]) == (200, "queued")


def test_retry_of_an_unsaved_job_is_free(api: str, ctx: Context) -> None:
    job_id = queued(ctx)
    states = (State.SUBMITTING, State.DOWNLOADING, State.UNSAVED)
    move(ctx, job_id, *states, images=(picture(ctx, state="expired", attempts=8),))
    job = requests.post(f"{api}/{job_id}/retry", timeout=30).json()
    assert (job["state"], job["images"][0]["state"]) == ("downloading", "pending")
    assert ctx.store.get(job_id).images[0].attempts == 0


def test_saved_image_is_served_and_missing_one_is_404(api: str, ctx: Context, folder: Path) -> None:
    path = folder / "images" / "0 ü%20.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"an image")
    stored = picture(ctx, state="stored", uri=path.as_uri(), content_type="image/png")
    job_id = queued(ctx)
    move(ctx, job_id, State.SUBMITTING, State.DOWNLOADING, images=(stored,))
    answer = requests.get(f"{api}/{job_id}/images/0", timeout=30)
    assert (answer.content, answer.headers["Content-Type"]) == (b"an image", "image/png")
    assert requests.get(f"{api}/{job_id}/images/1", timeout=30).status_code == 404
    path.unlink()
    gone = requests.get(f"{api}/{job_id}/images/0", timeout=30)
    assert (gone.status_code, "no longer at file:///" in gone.json()["detail"]) == (404, True)
