"""An unused storage, of each kind."""

from pathlib import Path

import pytest

from imagequeue.storage import Storage, open_storage
from support.s3 import S3


@pytest.fixture(params=["file", "s3"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(kind: str, s3: S3, tmp_path: Path) -> str:
    """A URL that no test has used before."""
    folder = tmp_path / "all images"
    return folder.as_uri() if kind == "file" else f"s3://images/{folder.as_uri()[8:]}"


@pytest.fixture
def storage(url: str, tmp_path: Path) -> Storage:
    return open_storage(url, tmp_path / "scratch")
