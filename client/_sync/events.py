# Written by `make client` from _async/events.py: change that one.
"""Follow the changes of all jobs, over as many connections as that takes."""

from __future__ import annotations

import random
from collections.abc import Generator

from ...errors import ApiUnavailableError, LimitError
from .. import calls
from ..concurrency import sleep
from ..results import JobEvent, Notice
from ..retries import FIRST_PAUSE_S, MAX_PAUSE_S
from ..sse import EventParser
from .transport import Transport

Events = Generator[JobEvent | Notice]


def iter_events(transport: Transport, after: str = "") -> Events:
    """Yield changes after an event, or from now on, for ever, and what becomes of the connection.

    It connects again after the last event. Raises AccessError.
    """
    parser = EventParser(after)
    pause_s = FIRST_PAUSE_S
    was_connected = False
    while True:
        wait_s = 0.0
        try:
            with transport.stream(calls.follow(parser.last_id)) as lines:
                yield Notice.CONNECTED
                if was_connected and not parser.last_id:
                    # Without an event to go on from, what changed in between is not known.
                    yield JobEvent(lost=True)
                was_connected = True
                for line in lines:
                    pause_s = FIRST_PAUSE_S
                    if line.startswith(":"):
                        yield Notice.ALIVE
                    elif event := parser.feed(line):
                        yield event
        except ApiUnavailableError:
            pass
        except LimitError as error:  # too many waits and streams are open
            wait_s = error.retry_after_s or 0.0
        yield Notice.BROKEN
        sleep(wait_s + random.uniform(0.5, 1.0) * pause_s)  # noqa: S311
        pause_s = min(MAX_PAUSE_S, pause_s * 2)
