"""A receiver with every limit, served in a thread of the test."""

from collections.abc import Iterator

import pytest

from imagequeue.config.http.server import server_options
from imagequeue.config.settings import Settings
from imagequeue.worker.receiver.application import (
    create_app,
)
from support.asgi import serving


@pytest.fixture
def receiver(settings: Settings) -> Iterator[str]:
    with serving(create_app(settings), **server_options()) as url:
        yield url
