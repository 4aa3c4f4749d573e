"""The page of a job and its buttons, without JavaScript."""

import re

import pytest
import requests

from imagequeue.jobs.job import JobError, Reason, State, add_seconds, utc_now
from imagequeue.worker.context import Context
from support.dashboard import failed, get, post
from support.jobs import move, queued, unsaved


def test_job_page_shows_every_detail(site: str, ctx: Context) -> None:
    job_id = queued(
        ctx,
        prompt="a long prompt " * 20,
        params={"aspect_ratio": "16:9"},
        metadata={"order": 7},
    )
    error = JobError(reason=Reason.POLICY, code="400", message="not this one")
    fields = {"error": error, "task_id": "task-9", "batch": "batch_1", "submitted_by": "shop"}
    move(ctx, job_id, State.SUBMITTING, State.FAILED, **fields)
    html = get(f"{site}/jobs/{job_id}")
    for words in (
        ("a long prompt " * 20).strip(),
        *("aspect_ratio", "16:9", "order", "task-9", "batch_1", "shop", job_id),
        *("policy", "400", "not this one", "submitting</span> <span>test</span>"),
    ):
        assert words in html, words


@pytest.mark.parametrize(
    ("states", "cost"),
    [
        ((), "Nothing was sent yet: free of charge."),
        ((State.SUBMITTING, State.WAITING), "The provider has it: the charge stands"),
        ((State.SUBMITTING, State.UNCONFIRMED), "It may have been sent: the charge may stand"),
    ],
)
def test_cancel_button_states_its_cost(
    site: str, ctx: Context, states: tuple[State, ...], cost: str
) -> None:
    job_id = queued(ctx)
    move(ctx, job_id, *states) if states else None
    html = get(f"{site}/jobs/{job_id}")
    assert cost in html
    (seen,) = re.findall(r'name="seen" value="(\w+)"', html)
    answer = post(f"{site}/jobs/{job_id}/cancel", seen=seen)
    where = answer.headers["Location"]
    assert (answer.status_code, where) == (303, f"/jobs/{job_id}?done=cancelled")
    assert ctx.store.get(job_id).state is State.CANCELLED
    html = get(site + where)
    assert "The job was cancelled." in html
    assert "<form" not in html


def test_outdated_free_cancel_is_refused(site: str, ctx: Context) -> None:
    job_id = queued(ctx)
    move(ctx, job_id, State.SUBMITTING, State.WAITING)
    answer = post(f"{site}/jobs/{job_id}/cancel", seen="queued")
    assert (answer.status_code, "it has become waiting since" in answer.text) == (409, True)
    assert "the charge stands" in answer.text
    assert ctx.store.get(job_id).state is State.WAITING


def test_refused_command_says_why(site: str, ctx: Context) -> None:
    job_id = queued(ctx)
    for move_ in ("retry", "cancel", "cancel"):
        answer = post(f"{site}/jobs/{job_id}/{move_}", pay_again="yes")
    assert (answer.status_code, "Refused: " in answer.text) == (409, True)
    assert f"{job_id} is cancelled" in answer.text
    assert post(f"{site}/jobs/job_1/cancel").status_code == 404


def test_failed_job_is_paid_again_only_if_ticked(site: str, ctx: Context) -> None:
    job_id = failed(ctx)
    html = get(f"{site}/jobs/{job_id}")
    assert 'name="pay_again" value="yes" required>' in html
    assert "charges for it again" in html
    for fields in ({}, {"pay_again": "no"}):
        answer = post(f"{site}/jobs/{job_id}/retry", **fields)
        assert (answer.status_code, "a retry pays again" in answer.text) == (409, True)
    assert ctx.store.get(job_id).state is State.FAILED
    assert post(f"{site}/jobs/{job_id}/retry", pay_again="yes").status_code == 303
    assert ctx.store.get(job_id).state is State.QUEUED


def test_retry_of_an_unsaved_job_needs_no_tick(site: str, ctx: Context) -> None:
    job_id = unsaved(ctx)
    html = get(f"{site}/jobs/{job_id}")
    assert ("free of charge" in html, "pay_again" in html) == (True, False)
    answer = post(f"{site}/jobs/{job_id}/retry")
    assert "started again" in get(site + answer.headers["Location"])
    assert ctx.store.get(job_id).state is State.DOWNLOADING


def test_acknowledged_job_is_still_downloaded_for_free(site: str, ctx: Context) -> None:
    job_id = unsaved(ctx)
    assert "its alert ends" in get(f"{site}/jobs/{job_id}")
    answer = post(f"{site}/jobs/{job_id}/acknowledge")
    html = get(site + answer.headers["Location"])
    assert ("was acknowledged" in html, "Download again" in html) == (True, True)
    assert ("pay_again" in html, "its alert ends" in html) == (False, False)
    assert post(f"{site}/jobs/{job_id}/acknowledge").status_code == 409
    assert post(f"{site}/jobs/{job_id}/retry").status_code == 303
    assert ctx.store.get(job_id).state is State.DOWNLOADING


def test_text_from_a_url_is_not_shown(site: str, ctx: Context) -> None:
    assert "pay me" not in get(f"{site}/jobs/{queued(ctx)}", params={"done": "pay me"})


def test_form_of_another_site_changes_nothing(site: str, ctx: Context) -> None:
    job_id = queued(ctx)
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        url = f"{site}/jobs/{job_id}/cancel"
        answer = requests.post(url, headers=headers, timeout=30)
        assert (answer.status_code, "another site" in answer.text) == (403, True)
        assert answer.headers["Content-Type"].startswith("text/html")
    assert ctx.store.get(job_id).state is State.QUEUED


def test_queued_job_says_what_it_waits_for(site: str, ctx: Context) -> None:
    job_id = queued(ctx, not_before=add_seconds(utc_now(), 7200))
    for page in (f"/jobs/{job_id}", "/", f"/jobs/{job_id}/card"):
        assert "Waits for its time (not_before), about " in get(site + page)
    move(ctx, job_id, State.SUBMITTING)
    assert "Waits for" not in get(f"{site}/jobs/{job_id}")
