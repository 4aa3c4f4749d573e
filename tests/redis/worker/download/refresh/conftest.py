from collections.abc import Iterator

import pytest

from support.hostile import Host, hosting, says
from support.stub import Stub
from support.worker.refreshes import PNG


@pytest.fixture
def host() -> Iterator[Host]:
    """The image host: what is called `dead` there is, and the rest is an image."""
    with hosting() as one:
        one.speak = lambda connection, asked: says(403 if "dead" in asked.path else 200, PNG)(
            connection, asked
        )
        yield one


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub, host: Host) -> dict[str, str]:
    mine = {"kie_base_url": stub.url, "acedata_base_url": stub.url, "download_attempts": "2"}
    return {**overrides, **mine, "download_trusted_hosts": host.netloc}
