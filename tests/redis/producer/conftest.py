"""Fixtures of the tests of the HTTP API and the dashboard."""

from collections.abc import Iterator

import pytest

from imagequeue.config.settings import Settings
from imagequeue.producer.api.application import create_app
from support.asgi import serving


@pytest.fixture
def site(settings: Settings) -> Iterator[str]:
    """The address of a running API and dashboard."""
    with serving(create_app(settings)) as url:
        yield url
