"""The state machine and the record: pure values."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagequeue.client import results
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


def test_every_state_is_reachable_from_queued() -> None:
    reached, new = set(), {State.QUEUED}
    while new:
        reached |= new
        new = {to for state in new for to in TRANSITIONS[state]} - reached
    assert reached == set(State) == set(TRANSITIONS) == set(QUEUE_OF)


def test_finished_states_have_no_queue() -> None:
    assert {State.SUCCEEDED, State.FAILED, State.CANCELLED, State.UNSAVED} == FINISHED


def test_clients_know_the_finished_states() -> None:
    assert results.FINISHED == FINISHED


@pytest.mark.parametrize("left", State)
def test_only_transitions_of_the_table_are_allowed(left: State) -> None:
    before = job(left, error=JobError(reason=Reason.TIMED_OUT))
    for entered in set(State) - set(TRANSITIONS[left]):
        with pytest.raises(InvalidTransitionError, match=f"is {left}"):
            before.transition_to(entered, "test", LATER, LATER)
    for entered in TRANSITIONS[left]:
        after = before.transition_to(entered, "test", LATER, LATER)
        assert (after.state, after.changes[-1]) == (entered, Change(LATER, entered, "test"))
        assert after.revision != before.revision


def test_note_is_added_once_and_keeps_the_state() -> None:
    waiting = job(State.WAITING)
    with_note = waiting.with_note("poll reported a failure: 500", NOW, LATER)
    assert (with_note.state, with_note.wake_at, with_note.history[-1].to) == (
        State.WAITING,
        LATER,
        with_note.state,
    )
    with pytest.raises(InvalidTransitionError):
        with_note.with_note("poll reported a failure: 500", LATER, LATER)


def test_history_names_both_states_of_a_transition() -> None:
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
    source_url=texts,
    expires_at=times,
    state=st.sampled_from(["pending", "stored", "expired", "skipped"]),
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
    origins=st.lists(images.map(lambda image: image.model_copy(update={"kind": "origin"}))).map(
        tuple
    ),
    created_at=times,
    wake_at=times,
    attempts=st.integers(0, 99),
    api_version=texts,
    changes=st.lists(
        st.builds(Change, at=times, to=st.sampled_from(State), cause=texts), max_size=3
    ).map(tuple),
)


@given(jobs)
def test_record_round_trips(stored: Job) -> None:
    assert load(stored.id, dump(stored), "") == stored


@given(jobs)
def test_record_begins_with_its_revision(stored: Job) -> None:
    assert dump(stored).startswith(f'{{"rev":"{stored.revision}"'.encode())


# As version 0.1 wrote it before two fields were renamed.
OLD_RECORD = (
    b'{"rev":"0a1b2c3d4e5f","id":"job_01KAJ6WRX0M9S3H1V5T7Q2Z4CD","state":"downloading",'
    b'"provider":"kie-flux-kontext","action":"generate","prompt":"a cat","delivery":"callback",'
    b'"task_id":"task-1","images":[{"index":0,"source_url":"https://x.example/0.png",'
    b'"expires_at":1763640600000,"renewed_url":"https://y.example/0.png"}],'
    b'"created_at":1763640000000,"wake_at":1763640001000,"dialect":"legacy","submissions":1,'
    b'"log":[[1763640000500,"submitting","submit"],[1763640001000,"downloading","callback"]]}'
)


def test_origins_of_an_earlier_record_get_a_field_of_their_own() -> None:
    image = OLD_RECORD[OLD_RECORD.index(b'{"index":0') : OLD_RECORD.index(b"}]")] + b"}"
    origin = image.replace(b'"index":0', b'"index":1,"kind":"origin","name":"job_1/1.png"')
    record = OLD_RECORD.replace(image, origin + b"," + image)
    old = load("job_01KAJ6WRX0M9S3H1V5T7Q2Z4CD", record, "s3://bucket")
    assert ([image.index for image in old.images], [image.index for image in old.origins]) == (
        [0],
        [1],
    )
    assert (old.origins[0].kind, old.origins[0].uri) == ("origin", "s3://bucket/job_1/1.png")
    assert load(old.id, dump(old), "s3://bucket") == old


def test_record_of_an_earlier_version_is_read() -> None:
    old = load("job_01KAJ6WRX0M9S3H1V5T7Q2Z4CD", OLD_RECORD, "")
    assert (old.revision, old.state, old.task_id) == (
        "0a1b2c3d4e5f",
        State.DOWNLOADING,
        "task-1",
    )
    assert (old.api_version, old.images[0].refreshed_url) == ("legacy", "https://y.example/0.png")
    assert old.changes[0] == Change(
        datetime(2025, 11, 20, 12, 0, 0, 500_000, UTC), State.SUBMITTING, "submit"
    )
    assert load(old.id, dump(old), "") == old
