"""Lets the channels of a lost connection to Redis fail as broken connections do.

A task may end after the connection that brought its message was replaced. kombu 5.7 then raises
AttributeError as it acknowledges the message or closes the channel, and the worker would end.
"""

from __future__ import annotations

from typing import Any

from kombu.transport.redis import Channel
from redis.exceptions import ConnectionError as RedisConnectionError


def make_closed_channels_harmless() -> None:
    """Raise an error that Celery expects; the job's message is delivered again, and ignored."""
    channel: Any = Channel  # the stubs lack what is private
    original = channel._connparams

    def find_parameters(self: Any, *args: Any, **options: Any) -> Any:
        if getattr(self.connection, "client", None) is None:
            raise RedisConnectionError("the connection was closed")
        return original(self, *args, **options)

    channel._connparams = find_parameters
