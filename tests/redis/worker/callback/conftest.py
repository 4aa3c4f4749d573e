"""Settings that lead callbacks and look-ups to the stub."""

import pytest

from support.stub import Stub


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    return {**overrides, "kie_base_url": stub.url, "public_url": "http://callbacks.example"}
