"""The broker's queues: how many messages wait in each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import redis
from amqp.exceptions import AMQPError
from celery import Celery
from kombu.exceptions import OperationalError
from kombu.transport.redis import Channel

from ..config.amqp import is_amqp_url
from ..config.queues import Queue
from ..config.redis import connect_broker, name_server
from ..config.settings import Settings
from .due.wakeups import Priority

MessageCounts = dict[tuple[Queue, Priority], int]


class BrokerQueues(Protocol):
    """What a dispatcher has to know of its broker."""

    def count(self, *queues: Queue) -> MessageCounts:
        """Count the messages that wait, by queue and priority.

        Raises OperationalError or RedisError if the broker does not answer.
        """

    def rank(self, priority: Priority) -> int:
        """Return the number that stands for a priority in a message."""

    def describe(self) -> str:
        """Return the broker's name and version; raises as `count` does."""


class RedisQueues:
    """The lists in which kombu stores messages: one for each queue and priority."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def count(self, *queues: Queue) -> MessageCounts:
        """Count in one round trip."""
        lists = [(queue, priority) for queue in queues for priority in Priority]
        with self._redis.pipeline(transaction=False) as pipe:
            for queue, priority in lists:
                pipe.llen(list_key(queue, priority))
            return dict(zip(lists, pipe.execute(), strict=True))

    def rank(self, priority: Priority) -> int:
        """Return the priority itself: kombu takes the lowest number first."""
        return priority.value

    def describe(self) -> str:
        """Return the server's product and version."""
        return name_server(self._redis)


class AmqpQueues:
    """Queues of AMQP. It counts no priorities: every message counts as NORMAL.

    So LOW work makes way for any message, which is right more often than needed.
    """

    def __init__(self, celery: Celery) -> None:
        self._celery = celery

    def count(self, *queues: Queue) -> MessageCounts:
        """Count in one round trip for each queue."""
        with borrow_producer(self._celery) as producer:

            def declare(queue: Queue) -> int:
                # Not passive: a queue that no worker has declared yet is empty, and no error.
                bound: Any = self._celery.amqp.queues[queue].bind(producer.channel)
                try:
                    return int(bound.queue_declare().message_count)
                except TimeoutError as error:
                    # The answer may still come, so this connection is of no more use.
                    producer.connection.collect()
                    raise OperationalError("the broker does not answer in time") from error

            # Once more, on a new connection, if this one was cut while it was idle.
            retry = producer.connection.ensure(producer, declare, max_retries=1, interval_start=0)
            return {(queue, Priority.NORMAL): retry(queue) for queue in queues}

    def rank(self, priority: Priority) -> int:
        """Return the number counted from the other end: AMQP delivers the highest first."""
        return max(Priority) - priority

    def describe(self) -> str:
        """Return the server's product and version, and check that the queues can be used."""
        self.count(*Queue)
        with borrow_producer(self._celery) as producer:
            server = producer.channel.connection.server_properties
            return f"{server.get('product', 'AMQP')} {server.get('version', '')}".strip()


@contextmanager
def borrow_producer(celery: Celery) -> Iterator[Any]:
    """Yield a producer of the pool; raises OperationalError if its connection fails."""
    try:
        with celery.producer_pool.acquire(block=True) as producer:
            yield producer
    except AttributeError as error:  # a channel has lost its connection to another thread
        raise OperationalError("the connection to the broker was closed") from error
    except (AMQPError, OSError) as error:
        raise OperationalError(str(error)) from error


def open_queues(settings: Settings, client: redis.Redis, celery: Celery) -> BrokerQueues:
    """Return the queues of the broker; `client` is that of the jobs."""
    if is_amqp_url(settings.broker_url or ""):
        return AmqpQueues(celery)
    return RedisQueues(connect_broker(settings, client))


def list_key(queue: Queue, priority: Priority) -> str:
    """Return the list in which kombu stores messages of a priority; 0 has the queue's own name."""
    return f"{queue}{Channel.sep}{priority}" if priority else queue.value
