"""The address guard: which addresses are public, and which host a URL leads to."""

from ipaddress import IPv4Network, IPv6Network, ip_network

import pytest

from imagequeue.config.addresses import is_public
from imagequeue.config.host_patterns import HostPatterns
from imagequeue.worker.http.address_guard import AddressGuard
from imagequeue.worker.http.errors import InvalidUrlError, PrivateAddressError
from imagequeue.worker.http.url import get_origin, parse_url

# Every block of IANA's two registries of special addresses, and the multicast and reserved ones.
SPECIAL = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.0.9/32",
    "192.0.0.170/32",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "255.255.255.255/32",
    "::/128",
    "::1/128",
    "::/96",
    "::ffff:0:0:0/96",
    "64:ff9b:1::/48",
    "100::/64",
    "100:0:0:1::/64",
    "2001::/23",
    "2001::/32",
    "2001:1::1/128",
    "2001:2::/48",
    "2001:3::/32",
    "2001:4:112::/48",
    "2001:10::/28",
    "2001:20::/28",
    "2001:30::/28",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
]
PRIVATE = [ip_network(each) for each in SPECIAL]


@pytest.mark.parametrize("network", PRIVATE, ids=str)
def test_special_network_is_not_public(network: IPv4Network | IPv6Network) -> None:
    for ip in (network.network_address, network.broadcast_address):
        assert not is_public(str(ip))
        if ip.version == 4:
            assert not is_public(f"::ffff:{ip}")
            assert not is_public(f"64:ff9b::{ip}")


@pytest.mark.parametrize(
    "address",
    [
        *("93.184.216.34", "1.1.1.1", "192.31.196.1", "192.0.1.1", "198.17.255.255", "198.20.0.0"),
        *("2606:2800:220:1::1", "2001:200::1", "2620:4f:8000::1", "::ffff:93.184.216.34"),
        "64:ff9b::93.184.216.34",
    ],
)
def test_other_address_is_public(address: str) -> None:
    assert is_public(address)


def test_address_with_a_zone_is_not_public() -> None:
    assert not is_public("fe80::1%eth0")


def test_trusted_network_is_allowed() -> None:
    guard = AddressGuard(networks=[ip_network("198.18.0.0/15")], remedy="THE_SETTING")
    for allowed in ("198.19.255.255", "::ffff:198.18.0.1", "93.184.216.34"):
        guard.require_allowed(allowed)
    assert guard.must_check(parse_url("http://198.18.0.1/"))
    with pytest.raises(PrivateAddressError, match=r"^10.0.0.1 is a private .* in THE_SETTING$"):
        guard.require_allowed("10.0.0.1")


@pytest.mark.parametrize(
    ("pattern", "url", "matches", "matches_with_port"),
    [
        ("*.example.com:443", "https://a.example.com/", True, True),
        ("*.example.com:443", "https://a.b.EXAMPLE.com/", True, True),
        ("*.example.com:443", "https://example.com/", False, False),
        ("*.example.com:443", "http://a.example.com/", False, False),
        ("*.example.com:443", "https://a.example.com.evil/", False, False),
        ("*.example.com", "https://a.example.com/", True, False),
        ("[::1]:8080", "http://[0:0::1]:8080/", True, True),
        ("[0:0::1]:8080", "http://[::1]:8080/", True, True),
        ("[::1]:8080", "http://[::1]/", False, False),
        ("[::1]", "http://[::1]:8080/", True, False),
        ("::1", "http://[::1]:8080/", True, False),
        ("a.example.:80", "http://a.example/", True, True),
        ("a.example:80", "http://a.example./", True, True),
        ("A.example:80", "http://a.example/", True, True),
        ("a.example", "http://a.example:81/", True, False),
        ("[abc].example:80", "http://a.example/", False, False),
    ],
)
def test_host_pattern(pattern: str, url: str, matches: bool, matches_with_port: bool) -> None:
    _, host, port = get_origin(parse_url(url))
    assert HostPatterns([pattern], needs_port=False).match(host, port) is matches
    assert HostPatterns([pattern], needs_port=True).match(host, port) is matches_with_port


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
    assert get_origin(parse_url(url))[1] == host


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
        AddressGuard().must_check(parse_url(f"http://{host}/"))


@pytest.mark.parametrize("host", ["images.example", "93.184.216.34", "localhost.example"])
def test_other_hosts_pass_until_they_are_resolved(host: str) -> None:
    assert AddressGuard().must_check(parse_url(f"http://{host}/"))


def test_a_trusted_host_is_its_name_and_port() -> None:
    guard = AddressGuard(["Inside.example:80", "[::1]:8080", "10.0.0.1:443"])
    for trusted in ("http://inside.EXAMPLE/a", "http://[0:0::1]:8080/a", "https://10.0.0.1/a"):
        assert not guard.must_check(parse_url(trusted))
    assert guard.must_check(parse_url("https://inside.example/a"))
    with pytest.raises(PrivateAddressError):
        guard.must_check(parse_url("http://10.0.0.1/a"))
