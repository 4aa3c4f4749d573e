"""A value that would be useless or dangerous stops the start, with a line that names it."""

import pytest

from imagequeue.config.settings import read_settings
from imagequeue.errors import ConfigError


@pytest.mark.parametrize("name", ["DOWNLOAD_TRUSTED_HOSTS", "WEBHOOK_TRUSTED_HOSTS"])
@pytest.mark.parametrize(
    ("hosts", "words"),
    [
        ("a.example", "host:port"),
        ("a.example:https", "host:port"),
        ("a.example:99999", "host:port"),
        ("https://a.example", "without a scheme"),
        ("a.example/x:443", "without a scheme or a path"),
        ("me@a.example:443", "host:port"),
        ("[zz]:443", "host:port"),
        ("10.0.0.0/8", "TRUSTED_NETWORKS"),
        ("b.example:1,fd00::/8", "TRUSTED_NETWORKS"),
    ],
)
def test_host_that_nothing_fits_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, hosts: str, words: str
) -> None:
    monkeypatch.setenv(f"IMAGEQUEUE_{name}", hosts)
    with pytest.raises(ConfigError, match=rf"IMAGEQUEUE_{name}.*{words}"):
        read_settings()


@pytest.mark.parametrize("host", ["a.example", "A.Example.:443", "*.example", "::1", "[::1]:80"])
def test_host_of_images_may_have_a_port(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("IMAGEQUEUE_CALLBACK_HOSTS", host)
    assert read_settings().callback_hosts == (host,)


@pytest.mark.parametrize("folder", ["", " ", "a\nb", "\0", "file:///srv/data", "s3://bucket"])
def test_data_folder_that_is_no_path_is_refused(folder: str) -> None:
    """An empty one would be the working directory."""
    with pytest.raises(ConfigError, match="IMAGEQUEUE_DATA_DIR: must be a path"):
        read_settings(data_dir=folder)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("file:///~/images", "instead of ~"),
        ("file:///~me/images", "instead of ~"),
        ("file:///srv/%00", "control characters"),
        ("file:///srv/a\nb", "control characters"),
    ],
)
def test_storage_that_nobody_means_is_refused(url: str, words: str) -> None:
    with pytest.raises(ConfigError, match=f"IMAGEQUEUE_STORAGE_URL: .*{words}"):
        read_settings(storage_url=url)
