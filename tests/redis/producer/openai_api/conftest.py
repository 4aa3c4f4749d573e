"""An API for programs that use OpenAI's SDK."""

from collections.abc import Iterator

import pytest
from openai import OpenAI

from support.asgi import Serve
from support.openai_api import KEY


@pytest.fixture
def site(serve: Serve) -> str:
    return serve(api_keys=f"shop:{KEY}", openai_api_key="k")


@pytest.fixture
def sdk(site: str) -> Iterator[OpenAI]:
    """OpenAI's SDK, unchanged, with a key of this API."""
    with OpenAI(base_url=f"{site}/v1", api_key=KEY) as client:
        yield client
