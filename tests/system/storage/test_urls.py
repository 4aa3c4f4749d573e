"""Which storage a URL opens, and which URLs are refused."""

from pathlib import Path

import obstore.store
import pytest

from imagequeue.config.settings import read_settings
from imagequeue.errors import ConfigError
from imagequeue.storage import buckets, open_storage
from support.s3 import S3, SECRET
from support.storage import python


@pytest.mark.parametrize(
    "wrong", [f"s3://key:{SECRET}@bucket/x", f"s3://bucket?k={SECRET}", f"s3://b/#{SECRET}", "ftp:"]
)
def test_secret_in_url_is_refused(wrong: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as opened:
        open_storage(wrong, tmp_path)
    with pytest.raises(ConfigError) as configured:
        read_settings(storage_url=wrong)
    assert SECRET not in str(opened.value) + str(configured.value)


@pytest.mark.parametrize(
    "wrong",
    [
        "file://relative",
        "file:///",
        "file:///a/../b",
        "file:///a/%2e%2e/b",
        "file:///a?b",
        "file:///a#b",
        "s3://",
        "s3:///prefix",
        "s3://bucket:80/prefix",
        "s3://bucket//prefix",
        "s3://bucket/a/./b",
        "gs://bucket/../b",
        "az://container/a b",
        "gcs://bucket",
        "https://bucket.s3.amazonaws.com/",
    ],
)
def test_invalid_storage_url_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"^IMAGEQUEUE_STORAGE_URL: must (be file:///|name its)"):
        read_settings(storage_url=wrong)


@pytest.mark.parametrize(
    "right",
    ["file:///a b", "s3://bucket", "s3://a.b-c/d/e/", "gs://b_1/%C3%BC", "az://container/x"],
)
def test_valid_storage_url_is_accepted(right: str) -> None:
    assert read_settings(storage_url=right).images_url == right


@pytest.mark.parametrize(
    ("url", "store"), [("gs://bucket/a/b", "GCSStore"), ("az://container/a/b", "AzureStore")]
)
def test_url_opens_its_providers_store(
    s3: S3, url: str, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "somebody")
    storage = open_storage(url, tmp_path)
    assert isinstance(storage, buckets.BucketStorage)
    opened = storage._opened
    assert isinstance(opened, getattr(obstore.store, store))
    assert opened.prefix == "a/b"


def test_folder_storage_does_not_load_obstore(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from imagequeue.storage import open_storage
open_storage(sys.argv[1], Path("unused")).check()
assert "obstore" not in sys.modules
open_storage("s3://bucket", Path("unused"))
assert "obstore" in sys.modules
"""
    python(code, tmp_path.as_uri())


def test_use_after_fork_is_reported(s3: S3, tmp_path: Path) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from imagequeue.storage import StorageError, open_storage
storage = open_storage("s3://images/forked", Path(sys.argv[1]))
def forked():
    if pid := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    signal.alarm(20)
    try:
        storage.check()
    except StorageError as error:
        os._exit(3 if "before this process was forked" in str(error) else 4)
    os._exit(0)
before = forked()
storage.check()
print(before, forked())
"""
    assert python(code, tmp_path).split() == ["0", "3"]
