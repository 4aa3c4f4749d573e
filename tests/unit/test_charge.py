"""Whether a job is charged, by the way it went."""

from datetime import UTC, datetime

import pytest

from imagequeue.errors import InvalidTransitionError
from imagequeue.jobs.job import RETRY, Change, Job, JobError, Reason, State, new_job
from imagequeue.producer.commands import (
    Action,
    Charge,
    acknowledge,
    apply,
    cancel,
    cost_of_retry,
    find_charge,
    retry,
)

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
_S = State
REFUSED = "submitting refused:failed"
CASES = [
    ("", "no"),
    ("submitting", "unknown"),
    (REFUSED, "no"),
    ("submitting refused_for_now:queued submitting refused_for_now:queued", "no"),
    ("submitting refused_for_now:queued gave_up:failed", "no"),
    ("poison:failed", "no"),
    ("submitting no_answer:unconfirmed", "unknown"),
    ("submitting no_answer:unconfirmed never_confirmed:failed", "unknown"),
    ("submitting no_answer:unconfirmed cancelled", "unknown"),
    ("submitting no_answer:unconfirmed refused_for_now:queued", "no"),
    ("submitting no_answer:unconfirmed retry:queued submitting refused:failed", "unknown"),
    ("submitting accepted:waiting", "yes"),
    ("submitting accepted:waiting overdue gave_up:failed", "yes"),
    ("submitting accepted:waiting cancelled", "yes"),
    ("submitting callback:downloading succeeded", "yes"),
    ("submitting accepted:waiting retry:queued submitting refused:failed", "yes"),
    ("cancelled", "no"),
]
FAILED_TASK = "submitting accepted:waiting callback:failed"


def job_after(path: str, provider: str = "kie-flux-kontext") -> Job:
    changes = []
    for word in path.split():
        cause, _, to = word.rpartition(":")
        changes.append(Change(NOW, State(to), cause.replace("_", " ") or "test"))
    state = changes[-1].to if changes else State.QUEUED
    fields = {"provider": provider, "action": "generate", "delivery": "poll"}
    return new_job(NOW, state=state, changes=tuple(changes), **fields)


@pytest.mark.parametrize(("path", "expected"), CASES)
def test_charge_follows_the_history(path: str, expected: str) -> None:
    assert job_after(path).charged == expected
    assert job_after(path).model_dump(mode="json")["charged"] == expected


@pytest.mark.parametrize(
    ("provider", "expected"),
    [("acedata-flux", "no"), ("kie-flux-kontext", "unknown"), ("gone", "unknown")],
)
def test_failed_task_is_charged_as_the_provider_says(provider: str, expected: str) -> None:
    assert job_after(FAILED_TASK, provider).charged == expected


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (REFUSED, ""),
        (FAILED_TASK, "a retry may pay twice"),
        ("submitting accepted:waiting gave_up:failed", "a retry pays again"),
        ("submitting no_answer:unconfirmed", "a retry may pay twice"),
    ],
)
def test_retry_asks_only_where_it_may_pay_twice(path: str, words: str) -> None:
    job = job_after(path)
    if words:
        with pytest.raises(InvalidTransitionError, match=words):
            retry(job, NOW, pay_again=False)
    started = retry(job, NOW, pay_again=bool(words))
    assert (started.state, started.history[-1].cause) == (State.QUEUED, RETRY)
    assert ("nothing was charged" in cost_of_retry(started)) == (not words)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "nothing was sent: free of charge"),
        ("submitting refused_for_now:queued", "nothing was accepted: free of charge"),
        ("submitting accepted:waiting", "the charge stands"),
        ("submitting no_answer:unconfirmed", "the charge may stand"),
        ("submitting no_answer:unconfirmed retry:queued", "nothing was sent again; the charge may"),
        (FAILED_TASK + " retry:queued", "nothing was sent again; the charge may stand"),
    ],
)
def test_cancel_says_what_was_charged(path: str, words: str) -> None:
    error = cancel(job_after(path), NOW, NOW).error
    assert error
    assert error.message.startswith(words)


SAVING_FAILED = "submitting accepted:waiting callback:downloading download:unsaved"


def test_retry_of_an_acknowledged_job_downloads_for_free() -> None:
    job = job_after(SAVING_FAILED)
    job = job.evolve(NOW, error=JobError(message="the URL is dead"))
    ended = acknowledge(job, NOW, NOW)
    assert (ended.state, ended.charged) == (State.FAILED, "yes")
    assert ended.error == JobError(reason=Reason.UNSAVED, message="the URL is dead")
    for pay_again in (False, True):
        started = retry(ended, NOW, pay_again=pay_again)
        assert (started.state, started.error) == (State.DOWNLOADING, None)
        assert find_charge(Action.RETRY, started) is Charge.NOTHING


@pytest.mark.parametrize(
    ("action", "path", "charge"),
    [
        ("cancel", "", "nothing"),
        ("cancel", "submitting accepted:waiting", "stands"),
        ("cancel", "submitting no_answer:unconfirmed", "may_stand"),
        ("retry", REFUSED, "first"),
        ("retry", "submitting accepted:waiting gave_up:failed", "again"),
        ("retry", FAILED_TASK, "maybe_again"),
        ("retry", SAVING_FAILED, "nothing"),
        ("acknowledge", SAVING_FAILED, "stands"),
    ],
)
def test_charge_of_an_action(action: str, path: str, charge: str) -> None:
    after = apply(Action(action), job_after(path), NOW, NOW, pay_again=True)
    assert find_charge(Action(action), after) == charge


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("cancel", "is succeeded: it cannot be cancelled"),
        ("retry", "is succeeded: there is nothing to retry"),
        ("acknowledge", "is succeeded: only an unsaved job can be acknowledged"),
    ],
)
def test_action_that_does_not_apply_is_refused(action: str, words: str) -> None:
    job = job_after("submitting callback:downloading succeeded")
    with pytest.raises(InvalidTransitionError, match=f"{job.id} {words}"):
        apply(Action(action), job, NOW, NOW)
