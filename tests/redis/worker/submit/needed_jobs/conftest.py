import pytest

from imagequeue.producer.client import LocalClient
from imagequeue.worker.context import Context
from support.stub import Stub


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    return {**overrides, "kie_base_url": stub.url}


@pytest.fixture
def client(ctx: Context) -> LocalClient:
    return LocalClient(ctx.settings, now=ctx.now)
