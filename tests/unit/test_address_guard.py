"""The address guard: which addresses are public, and which host a URL leads to."""

import pytest

from imagequeue.worker.http.address_guard import TrustedHosts, is_public, require_public_host
from imagequeue.worker.http.errors import InvalidUrlError, PrivateAddressError
from imagequeue.worker.http.url import get_host, get_origin, parse_url


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.216.34", True),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://Images.Example/", "images.example"),
        ("http://127.1/", "127.0.0.1"),
        ("http://0x7f000001/", "127.0.0.1"),
        ("http://[::1]:80/", "::1"),
        ("http://known.example\\@evil.example/", "evil.example"),
        ("http://known.example#@evil.example/", "known.example"),
        ("http://known.example?@evil.example/", "known.example"),
        ("http://%6c%6f%63%61%6c%68%6f%73%74/", "localhost"),
        ("http://127\u30020\u30020\u30021/", "127.0.0.1"),
        ("http://\uff11\uff12\uff17.0.0.1/", "127.0.0.1"),
        ("http://m\xfcnchen.example/", "xn--mnchen-3ya.example"),
    ],
)
def test_the_host_of_a_url(url: str, host: str) -> None:
    assert get_host(parse_url(url)) == host


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a/",
        "file:///etc/passwd",
        "a/b",
        "",
        "http://",
        "http://[",
        "http://a b/",
        "http://a:99999/",
        "http://a:port/",
        "http://.a/",
        "http://\ud800/",
        b"http://\xff\xfe/",
        "http://127.0.0.1%00.a/",
        "http://\u200b/",
    ],
)
def test_an_invalid_url_is_refused(url: str | bytes) -> None:
    with pytest.raises(InvalidUrlError, match=r"^the URL is not a web address$"):
        parse_url(url)


def test_a_relative_url_keeps_its_origin() -> None:
    base = parse_url("https://a.example:8443/b/c?d")
    step = parse_url("../e f", base=base)
    assert step.url == "https://a.example:8443/e%20f"
    assert get_origin(step) == get_origin(base) == ("https", "a.example", "8443")
    assert get_origin(parse_url("http://a.example/")) == ("http", "a.example", "80")
    assert base.url == "https://a.example:8443/b/c?d"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "my.localhost", "10.0.0.1", "[::1]"])
def test_a_host_that_is_private_by_its_name_alone_is_refused(host: str) -> None:
    with pytest.raises(PrivateAddressError):
        require_public_host(parse_url(f"http://{host}/"))


@pytest.mark.parametrize("host", ["images.example", "93.184.216.34", "localhost.example"])
def test_other_hosts_pass_until_they_are_resolved(host: str) -> None:
    require_public_host(parse_url(f"http://{host}/"))


def test_a_trusted_host_is_its_name_and_port() -> None:
    trusted = TrustedHosts(["Inside.example:80", "[::1]:8080", "10.0.0.1:443"])
    assert parse_url("http://inside.EXAMPLE/a") in trusted
    assert parse_url("http://[0:0::1]:8080/a") in trusted
    assert parse_url("https://10.0.0.1/a") in trusted
    assert parse_url("https://inside.example/a") not in trusted
    assert parse_url("http://10.0.0.1/a") not in trusted
