"""A task that ends after its connection to the broker was lost does not end its worker."""

import logging
from collections.abc import Iterator

import pytest
from kombu import Connection
from kombu.message import Message

from imagequeue.config.celery import make_celery
from imagequeue.config.settings import Settings
from imagequeue.worker.closed_channels import make_closed_channels_harmless


@pytest.fixture
def message(settings: Settings) -> Iterator[Message]:
    """A message whose connection Celery has given up; its channel was waiting for the next one."""
    make_closed_channels_harmless()
    with make_celery(settings) as celery, celery.connection() as connection:
        queue = connection.SimpleQueue("a queue")
        queue.put("a message")
        message = queue.get(timeout=10)
        connection.collect()
        message.channel._disconnect_pools()
        yield message


def test_message_of_a_lost_connection_is_not_acknowledged(message: Message) -> None:
    errors = Connection("redis://").connection_errors
    message.ack_log_error(logging.getLogger("test"), errors)
    assert not message.acknowledged
