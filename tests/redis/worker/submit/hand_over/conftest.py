from pathlib import Path

import pytest

from imagequeue.jobs.upload import Upload
from imagequeue.producer.client import LocalClient
from imagequeue.worker.context import Context
from support.stub import Stub
from support.worker.hand_overs import PNG


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    return {
        **overrides,
        "kie_base_url": stub.url,
        "kie_upload_url": stub.url,
        "openai_api_key": "an openai key",
        "openai_base_url": f"{stub.url}/v1",
        "acedata_base_url": stub.url,
    }


@pytest.fixture
def client(ctx: Context) -> LocalClient:
    return LocalClient(ctx.settings, now=ctx.now)


@pytest.fixture
def upload(client: LocalClient, tmp_path: Path) -> Upload:
    path = tmp_path / "cat.png"
    path.write_bytes(PNG)
    return client.upload(path)
