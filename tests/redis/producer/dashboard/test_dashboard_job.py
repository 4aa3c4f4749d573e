"""The page of a job and its buttons, without JavaScript."""

import re

import pytest
import requests
from markupsafe import escape

from imagequeue.jobs.job import JobError, Reason, State, add_seconds, utc_now
from imagequeue.producer.dashboard import state_text
from imagequeue.producer.dashboard.timeline import build_timeline
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


def test_every_state_and_reason_is_explained() -> None:
    assert set(state_text.STATES) == set(State)
    assert set(state_text.REASONS) == set(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_failed_card_says_why_in_a_word(site: str, ctx: Context, reason: Reason) -> None:
    job_id = queued(ctx)
    move(ctx, job_id, State.SUBMITTING, State.FAILED, error=JobError(reason=reason))
    (why,) = re.findall(r'class="caption why">(.*?)<', get(f"{site}/jobs/{job_id}/card"))
    assert 0 < len(why.split()) <= 2
    html = get(f"{site}/jobs/{job_id}")
    assert str(escape(state_text.REASONS[reason])) in html
    assert "It ended without a saved image." in html


def test_waiting_card_says_what_it_waits_for(site: str, ctx: Context) -> None:
    job_id = queued(ctx)
    assert 'class="caption why"' not in get(f"{site}/jobs/{job_id}/card")
    move(ctx, job_id, State.SUBMITTING, State.WAITING)
    assert "Waits for the provider&#39;s result" in get(f"{site}/jobs/{job_id}/card")
    assert "The provider works on it." in get(f"{site}/jobs/{job_id}")
    called_back = ctx.store.get(job_id).model_copy(update={"delivery": "callback"})
    assert state_text.describe_briefly(called_back) == "waits for the provider's callback"


def test_history_says_how_long_each_state_lasted(site: str, ctx: Context) -> None:
    job_id = queued(ctx)
    for state, seconds in ((State.SUBMITTING, 3), (State.WAITING, 1.5), (State.FAILED, 75)):
        ctx.now.advance(seconds)  # type: ignore[attr-defined]
        move(ctx, job_id, state)
    lasted = r'(\w+)</span> <span>\w+</span> <span class="lasted">for (.*?)<'
    html = get(f"{site}/jobs/{job_id}")
    assert re.findall(lasted, html) == [
        ("queued", "3.0 s"),
        ("submitting", "1.5 s"),
        ("waiting", "1 min 15 s"),
    ]
    assert "1 min 20 s in all." in html


def test_note_does_not_divide_the_time_of_its_state(ctx: Context) -> None:
    job_id = queued(ctx)
    move(ctx, job_id, State.SUBMITTING, State.WAITING)
    for seconds, cause in ((5, "a poll"), (7, "another poll")):
        ctx.now.advance(seconds)  # type: ignore[attr-defined]
        job, now = ctx.store.get(job_id), ctx.now()
        ctx.store.transition(job, lambda job: job.with_note(cause, now, now))  # noqa: B023
    move(ctx, job_id, State.DOWNLOADING)
    waiting = [
        step for step in build_timeline(ctx.store.get(job_id), ctx.now()) if step.state == "waiting"
    ]
    assert [step.lasted for step in waiting] == ["12 s", "", ""]
