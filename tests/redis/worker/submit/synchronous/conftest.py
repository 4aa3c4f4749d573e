from urllib.parse import urlsplit

import pytest

from support.stub import Stub


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    trusted = urlsplit(stub.url).netloc
    keys = {"openai_api_key": "an openai key", "openai_base_url": f"{stub.url}/v1"}
    others = {"acedata_base_url": stub.url, "breaker_failures": "2"}
    return {**overrides, **keys, **others, "download_trusted_hosts": trusted}
