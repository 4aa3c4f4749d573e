"""Every state of a job, with every report on each of its tasks: images are never thrown away."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from imagequeue.errors import InvalidTransitionError
from imagequeue.jobs.job import RETRY, Change, Image, Job, JobError, Reason, State, new_job
from imagequeue.providers.wire import Failed, Pending, ResultImage, Succeeded, TaskStatus
from imagequeue.worker.apply_status import DifferentTaskError, as_reported

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SETTINGS = SimpleNamespace(
    lease_s=25,
    save_origins=False,
    url_lifetime_s=600,
    finished_s=9999,
    poll_countdowns=(60, 300, 900),
    account=lambda kind: kind(),
)
CTX: Any = SimpleNamespace(now=lambda: NOW, settings=SETTINGS)

_S = State
FIRST_TASK = (_S.SUBMITTING, _S.WAITING, _S.FAILED)
PATHS: dict[State, tuple[State, ...]] = {
    _S.QUEUED: (),
    _S.SUBMITTING: (_S.SUBMITTING,),
    _S.UNCONFIRMED: (_S.SUBMITTING, _S.UNCONFIRMED),
    _S.WAITING: (_S.SUBMITTING, _S.WAITING),
    _S.OVERDUE: (_S.SUBMITTING, _S.WAITING, _S.OVERDUE),
    _S.DOWNLOADING: (_S.SUBMITTING, _S.WAITING, _S.DOWNLOADING),
    _S.UNSAVED: (_S.SUBMITTING, _S.WAITING, _S.DOWNLOADING, _S.UNSAVED),
    _S.SUCCEEDED: (_S.SUBMITTING, _S.WAITING, _S.DOWNLOADING, _S.SUCCEEDED),
    _S.FAILED: (_S.SUBMITTING, _S.WAITING, _S.FAILED),
    _S.CANCELLED: (_S.SUBMITTING, _S.WAITING, _S.CANCELLED),
}
# For each state: what a success, a failure and a pending task lead to. `same`: nothing new;
# `other`: of a task that the job does not wait for; `note`: a note in the history alone.
TABLE = {
    #               own task              former task         another id          no id
    _S.QUEUED: ("dl other other", "dl other other", "dl other other", "dl other other"),
    _S.SUBMITTING: ("dl fail wait", "dl other other", "dl fail wait", "dl other other"),
    _S.UNCONFIRMED: ("dl fail wait", "dl other other", "dl fail wait", "dl other same"),
    _S.WAITING: ("dl fail same", "dl other other", "other other other", "dl other other"),
    _S.OVERDUE: ("dl fail same", "dl other other", "other other other", "dl other other"),
    _S.DOWNLOADING: ("same note same", "note other other", "other other other", "same other other"),
    _S.UNSAVED: ("same note same", "note other other", "other other other", "same other other"),
    _S.SUCCEEDED: ("same note same", "note other other", "other other other", "same other other"),
    _S.FAILED: ("dl same same", "dl other other", "other other other", "dl other other"),
    _S.CANCELLED: ("url same same", "url other other", "other other other", "url other other"),
}
TASKS = {"own": "task-2", "former": "task-1", "another": "task-x", "no id": None}
REPORTS = {"success": Succeeded, "failure": Failed, "pending": Pending}
BECOMES = {"dl": State.DOWNLOADING, "fail": State.FAILED, "wait": State.WAITING}
CASES = [
    (state, task, report, expected)
    for state, columns in TABLE.items()
    for task, words in zip(TASKS, columns, strict=True)
    for report, expected in zip(REPORTS, words.split(), strict=True)
]


def sent_twice(state: State, former: str | None = "task-1") -> Job:
    """A job in a state, after a retry; its first submission was the task `former`."""
    first = FIRST_TASK if former else (_S.SUBMITTING, _S.UNCONFIRMED)
    changes = [Change(NOW, each, "test") for each in first]
    changes += [Change(NOW, _S.QUEUED, RETRY)]
    changes += [Change(NOW, each, "test") for each in PATHS[state]]
    has_task = _S.WAITING in PATHS[state]
    has_images = _S.DOWNLOADING in PATHS[state]
    stored = Image(index=0, source_url="https://a.example/own.png", expires_at=NOW, state="stored")
    return new_job(
        NOW,
        state=state,
        provider="kie-flux-kontext",
        action="generate",
        delivery="callback",
        task_id="task-2" if has_task else None,
        former_tasks=(former,) if former else (),
        submissions=2,
        images=(stored,) if has_images else (),
        error=JobError(reason=Reason.PROVIDER, code="500") if state is _S.FAILED else None,
        changes=tuple(changes),
    )


def report(kind: str, task_id: str | None) -> TaskStatus:
    if kind == "success":
        return Succeeded(images=(ResultImage(url="https://a.example/r.png"),), task_id=task_id)
    if kind == "failure":
        return Failed(reason="provider", code="501", message="no", task_id=task_id)
    return Pending(task_id=task_id)


def applied(job: Job, status: TaskStatus) -> tuple[str, Job]:
    """What the report led to, in the words of the table, and the job."""
    try:
        after = as_reported(CTX, status, "callback", job)
    except DifferentTaskError:
        return "other", job
    except InvalidTransitionError:
        return "same", job
    if after.state is job.state:
        return "url" if after.images != job.images else "note", after
    return next(word for word, state in BECOMES.items() if state is after.state), after


@pytest.mark.parametrize(("state", "task", "kind", "expected"), CASES)
def test_report_on_each_task_in_each_state(
    state: State, task: str, kind: str, expected: str
) -> None:
    job = sent_twice(state)
    word, after = applied(job, report(kind, TASKS[task]))
    assert word == expected
    if job.images:
        assert after.images == job.images
    if word in ("dl", "url"):
        assert [image.source_url for image in after.images] == ["https://a.example/r.png"]
        assert after.task_id == TASKS[task] or TASKS[task] is None
        known = {job.task_id, after.task_id, *job.former_tasks} - {None}
        assert {after.task_id, *after.former_tasks} - {None} == known


@pytest.mark.parametrize("state", [s for s in State if s not in (_S.QUEUED, _S.SUBMITTING)])
def test_success_of_a_lost_task_is_accepted(state: State) -> None:
    word, _ = applied(sent_twice(state, former=None), report("success", "task-x"))
    has_images = _S.DOWNLOADING in PATHS[state]
    assert word == ("note" if has_images else "url" if state is _S.CANCELLED else "dl")


@pytest.mark.parametrize("task_id", ["task-x", None])
def test_success_of_a_job_that_was_never_sent_is_refused(task_id: str | None) -> None:
    job = new_job(NOW, provider="kie-flux-kontext", action="generate", delivery="callback")
    assert applied(job, report("success", task_id)) == ("other", job)


def test_full_history_does_not_cost_the_images() -> None:
    notes = tuple(Change(NOW + timedelta(seconds=n), _S.FAILED, f"note {n}") for n in range(100))
    job = sent_twice(_S.FAILED)
    job = job.model_copy(update={"changes": (*job.changes, *notes)})
    assert applied(job, report("success", "task-2"))[0] == "dl"
