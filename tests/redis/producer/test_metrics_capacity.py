"""`GET /metrics`: the credit of keys, and the disk of the images."""

from pathlib import Path

import pytest
import requests

from imagequeue.producer.metrics.capacity_families import capacity_families
from support.processes import eventually
from support.stub import Stub


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    return {**overrides, "kie_base_url": stub.url, "kie_api_keys": "spare:another key,bad:a third"}


def test_credit_of_each_key_is_asked_for_once(site: str, stub: Stub) -> None:
    left = {
        "Bearer a kie key": {"code": 200, "data": 12.5},
        "Bearer another key": {"code": 200, "data": 0},
    }
    stub.answer = lambda *_: (200, left.get(stub.headers[-1]["authorization"], {"code": 401}))

    def find_credits() -> list[str]:
        lines = requests.get(f"{site}/metrics", timeout=30).text.splitlines()
        return [line for line in lines if line.startswith("imagequeue_credit{")]

    assert eventually(find_credits) == [
        'imagequeue_credit{account="kie",key="main"} 12.5',
        'imagequeue_credit{account="kie",key="spare"} 0.0',
    ]
    find_credits()
    assert len(stub.asked) == 3


@pytest.mark.parametrize(
    ("url", "samples"), [("file://{}", 2), ("file://{}/new", 0), ("s3://b", 0)]
)
def test_disk_is_reported_where_images_are_files(tmp_path: Path, url: str, samples: int) -> None:
    _, *disk = capacity_families(url.format(tmp_path), {})
    values = [sample.value for family in disk for sample in family.samples]
    assert len(values) == samples
    assert values == sorted(values)
    assert all(value > 0 for value in values)
