"""Messages for submitted jobs are sent in the background, those of many calls together."""

from datetime import UTC, datetime, timedelta
from threading import Event

from imagequeue.config.queues import Queue
from imagequeue.store.due.background import BackgroundDispatcher
from support.processes import eventually

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class SlowDispatcher:
    """Remembers what it was asked to dispatch, and takes until `go_on`."""

    def __init__(self) -> None:
        self.calls: list[tuple[Queue, list[str], datetime]] = []
        self.go_on = Event()

    def dispatch(self, queue: Queue, job_ids: list[str], now: datetime) -> None:
        self.calls.append((queue, job_ids, now))
        self.go_on.wait(30)


def test_calls_during_a_dispatch_go_together() -> None:
    slow = SlowDispatcher()
    background = BackgroundDispatcher(slow)
    later = NOW + timedelta(seconds=1)
    background.dispatch(Queue.SUBMIT, ["one"], NOW)
    eventually(lambda: slow.calls)
    background.dispatch(Queue.SUBMIT, ["two"], later)
    background.dispatch(Queue.SUBMIT, ["three"], NOW)
    background.dispatch(Queue.NOTIFY, ["four"], NOW)
    slow.go_on.set()
    eventually(lambda: len(slow.calls) == 3)
    assert slow.calls == [
        (Queue.SUBMIT, ["one"], NOW),
        (Queue.SUBMIT, ["two", "three"], later),
        (Queue.NOTIFY, ["four"], later),
    ]
    background.dispatch(Queue.SUBMIT, ["five"], later)
    eventually(lambda: slow.calls[3:] == [(Queue.SUBMIT, ["five"], later)])
