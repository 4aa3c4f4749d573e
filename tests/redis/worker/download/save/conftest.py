from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from imagequeue.worker.context import Context
from support.hostile import Host, hosting, says
from support.s3 import S3
from support.stub import Stub
from support.worker.saves import PNG


@pytest.fixture(params=["file", "s3"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def host() -> Iterator[Host]:
    with hosting() as one:
        one.speak = says(200, PNG)
        yield one


@pytest.fixture
def overrides(
    overrides: dict[str, str],
    stub: Stub,
    host: Host,
    kind: str,
    s3: S3,
    tmp_path: Path,
) -> dict[str, str]:
    at = f"file://{tmp_path}/images" if kind == "file" else f"s3://images/{tmp_path.name}"
    mine = {"kie_base_url": stub.url, "download_trusted_hosts": host.netloc, "storage_url": at}
    return {**overrides, **mine, "download_attempts": "2"}


@pytest.fixture
def written(ctx: Context, kind: str, s3: S3) -> Callable[[str], Any]:
    """A value that changes with every write of a job."""

    def look(job_id: str) -> Any:
        if kind == "s3":
            return s3.writes
        folder = ctx.storage.scratch.parent / job_id
        return {
            path.name: (path.stat().st_ino, path.stat().st_mtime_ns, path.stat().st_ctime_ns)
            for path in folder.iterdir()
        }

    return look
