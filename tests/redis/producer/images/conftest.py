"""An API over each kind of storage."""

from pathlib import Path

import pytest

from imagequeue.worker.context import Context
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
    folder: Path,
) -> dict[str, str]:
    at = f"file://{folder}/images" if kind == "file" else f"s3://images/{folder.name}"
    return {**overrides, "storage_url": at}


@pytest.fixture
def api(site: str) -> str:
    return f"{site}/v1/jobs"


@pytest.fixture
def url(api: str, ctx: Context) -> str:
    """The URL of a saved image."""
    return f"{api}/{stored(ctx)}/images/0"
