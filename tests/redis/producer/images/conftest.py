"""An API over each kind of storage."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from imagequeue.config.settings import Settings
from imagequeue.producer.api.application import create_app
from imagequeue.worker.context import Context
from support.asgi import serving
from support.images import stored
from support.s3 import S3


@pytest.fixture(params=["file", "s3"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def overrides(
    overrides: dict[str, str],
    kind: str,
    s3: S3,
    tmp_path: Path,
) -> dict[str, str]:
    at = f"file://{tmp_path}/images" if kind == "file" else f"s3://images/{tmp_path.name}"
    return {**overrides, "storage_url": at}


@pytest.fixture
def api(settings: Settings) -> Iterator[str]:
    with serving(create_app(settings)) as url:
        yield f"{url}/v1/jobs"


@pytest.fixture
def url(api: str, ctx: Context) -> str:
    """The URL of a saved image."""
    return f"{api}/{stored(ctx)}/images/0"
