from collections.abc import Iterator

import pytest

from support.hostile import Host, hosting
from support.stub import Stub


@pytest.fixture
def host() -> Iterator[Host]:
    """The image host, which alone is trusted to lie on a private address."""
    with hosting() as one:
        yield one


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub, host: Host) -> dict[str, str]:
    mine = {"kie_base_url": stub.url, "download_trusted_hosts": host.netloc}
    return {**overrides, **mine, "download_attempts": "2"}
