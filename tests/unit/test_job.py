"""The state machine and the record: pure values."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagequeue.errors import InvalidTransitionError
from imagequeue.jobs.job import (
    FINISHED,
    QUEUE_OF,
    TRANSITIONS,
    Change,
    Image,
    Job,
    JobError,
    Reason,
    State,
    new_job,
)
from imagequeue.store.codec import dump, load

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=60)


def job(state: State = State.QUEUED, **fields: object) -> Job:
    fields = {"provider": "acedata-flux", "action": "generate", "delivery": "poll", **fields}
    return new_job(NOW, state=state, **fields)


def test_every_state_is_in_the_tables_and_can_be_reached_from_queued() -> None:
    reached, new = set(), {State.QUEUED}
    while new:
        reached |= new
        new = {to for state in new for to in TRANSITIONS[state]} - reached
    assert reached == set(State) == set(TRANSITIONS) == set(QUEUE_OF)


def test_nobody_has_to_wake_a_resting_job_and_every_other_state_has_a_queue() -> None:
    assert {State.SUCCEEDED, State.FAILED, State.CANCELLED, State.UNSAVED} == FINISHED


@pytest.mark.parametrize("left", State)
@pytest.mark.parametrize("entered", State)
def test_a_move_outside_the_table_is_refused_and_one_inside_is_written_down(
    left: State, entered: State
) -> None:
    before = job(left, error=JobError(reason=Reason.TIMED_OUT))
    if entered not in TRANSITIONS[left]:
        with pytest.raises(InvalidTransitionError, match=f"is {left}"):
            before.transition_to(entered, "test", LATER, LATER)
        return
    after = before.transition_to(entered, "test", LATER, LATER)
    assert (after.state, after.changes[-1]) == (entered, Change(LATER, entered, "test"))
    assert after.revision != before.revision


def test_a_note_stands_in_the_history_once_and_moves_nothing() -> None:
    waiting = job(State.WAITING)
    with_note = waiting.with_note("poll reported a failure: 500", NOW, LATER)
    assert (with_note.state, with_note.wake_at, with_note.history[-1].to) == (
        State.WAITING,
        LATER,
        with_note.state,
    )
    with pytest.raises(InvalidTransitionError):
        with_note.with_note("poll reported a failure: 500", LATER, LATER)


def test_the_history_tells_where_each_move_came_from() -> None:
    moved = (
        job()
        .transition_to(State.SUBMITTING, "submit", NOW, LATER)
        .transition_to(State.WAITING, "ok", LATER, LATER)
    )
    assert [(entry.from_, entry.to) for entry in moved.history] == [
        (State.QUEUED, State.SUBMITTING),
        (State.SUBMITTING, State.WAITING),
    ]
    assert moved.accepted_at == moved.updated_at == LATER


times = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
)
texts = st.text(max_size=20)
jsons = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
images = st.builds(
    Image,
    index=st.integers(0, 9),
    kind=st.sampled_from(["result", "origin"]),
    source_url=texts,
    expires_at=times,
    state=st.sampled_from(["pending", "stored", "expired"]),
    attempts=st.integers(0, 99),
    uri=st.none() | texts,
    bytes=st.none() | st.integers(0, 2**40),
)
jobs = st.builds(
    Job,
    id=texts,
    state=st.sampled_from(State),
    provider=texts,
    action=texts,
    prompt=texts,
    image_urls=st.lists(texts, max_size=2).map(tuple),
    params=st.dictionaries(texts, jsons, max_size=3),
    metadata=st.dictionaries(texts, jsons, max_size=3),
    delivery=st.sampled_from(["callback", "poll"]),
    task_id=st.none() | texts,
    error=st.none() | st.builds(JobError, reason=st.none() | st.sampled_from(Reason), code=texts),
    images=st.lists(images, max_size=2).map(tuple),
    created_at=times,
    wake_at=times,
    attempts=st.integers(0, 99),
    api_version=texts,
    changes=st.lists(
        st.builds(Change, at=times, to=st.sampled_from(State), cause=texts), max_size=3
    ).map(tuple),
)


@given(jobs)
def test_a_record_gives_back_the_job_it_was_made_of(kept: Job) -> None:
    assert load(dump(kept)) == kept


@given(jobs)
def test_a_record_begins_with_its_revision_where_the_script_looks_for_it(kept: Job) -> None:
    assert dump(kept).startswith(f'{{"rev":"{kept.revision}"'.encode())
