"""Hostile image hosts: every misbehaviour has its end, and none leaves a file or is let inside."""

import ipaddress
import re
import socket
import ssl
import struct
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from imagequeue.config.settings import SecretStr
from imagequeue.jobs.job import State
from imagequeue.providers import accounts
from imagequeue.worker.context import Context
from imagequeue.worker.download import download
from imagequeue.worker.http import connections
from imagequeue.worker.http.client import Http
from imagequeue.worker.http.connections import is_public
from support.clock import Clock
from support.hostile import (
    Host,
    Speak,
    chunked,
    downloading,
    drip,
    endless,
    files,
    head,
    hosting,
    in_turn,
    picture,
    raw,
    redirects,
    reset,
    says,
    set_bounds,
    silence,
    then,
    to_the_end,
)
from support.stub import Stub

PNG = picture()
HALF = len(PNG) // 2
# A megabyte of zeros in a thousand bytes, as often as anybody likes.
ZEROS = zlib.compressobj(wbits=31)
BOMB = ZEROS.compress(bytes(1 << 20)) + ZEROS.flush(zlib.Z_FULL_FLUSH)
MORE_BOMB = ZEROS.compress(bytes(1 << 20)) + ZEROS.flush(zlib.Z_FULL_FLUSH)


@pytest.fixture
def host() -> Iterator[Host]:
    """The image host, which alone is trusted to lie on a private address."""
    with hosting() as one:
        yield one


@pytest.fixture
def secret() -> Iterator[Host]:
    """A service of this machine that nobody may be led to."""
    with hosting("0.0.0.0") as one:
        one.speak = says(200, PNG)
        yield one


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub, host: Host) -> dict[str, str]:
    mine = {"kie_base_url": stub.url, "download_trusted_hosts": host.netloc}
    return {**overrides, **mine, "download_attempts": "2"}


@pytest.fixture(autouse=True)
def _short_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "READ_TIMEOUT_S", 0.2)


def bomb_png() -> bytes:
    """A PNG of a few bytes that would be 3.6 gigapixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 1, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b"")


# What is refused is asked of the provider and tried again; trouble, for as long as the URL lives.

REFUSED: dict[str, tuple[Speak, str]] = {
    "HTML": (says(200, b"<!DOCTYPE html><p>sorry", Content_Type="image/png"), "a web page"),
    "JSON": (says(200, b'{"error": "expired"}', Content_Type="image/png"), "the file is JSON"),
    "shorter than it is": (says(200, PNG, Content_Length=len(PNG) - 9), "the PNG is cut off"),
    "half, and no length": (raw(b"HTTP/1.0 200 OK\r\n\r\n" + PNG[:HALF]), "the PNG "),
    "empty": (says(200), "the file is empty"),
    "no content": (says(204), "HTTP 204"),
    "trailing junk": (says(200, PNG + b"<?php"), "the PNG .* has bytes after its end"),
    "decompression bomb": (says(200, bomb_png()), "the PNG has 60000 x 60000 pixels"),
    "403": (says(403, PNG), "HTTP 403"),
    "404": (says(404, PNG), "HTTP 404"),
    "410": (says(410, PNG), "HTTP 410"),
    "a part that nobody asked for": (says(206, PNG), "HTTP 206"),
    "redirect to nowhere": (says(302), "HTTP 302"),
}
ENDLESS = "the headers of the answer do not end"
TROUBLE: dict[str, tuple[Speak, str]] = {
    "cut off": (raw(head(200, Content_Length=len(PNG)) + PNG[:HALF]), "breaks off"),
    "cut off, chunked": (
        raw(head(200, Transfer_Encoding="chunked") + chunked(PNG[:HALF])),
        "breaks off",
    ),
    "longer than it is": (says(200, PNG, Content_Length=len(PNG) + 9), "breaks off"),
    "longer, and silent": (then(says(200, PNG, Content_Length=len(PNG) + 9), silence), "[Tt]ime"),
    "silent": (silence, "[Tt]ime"),
    "silent in its headers": (then(raw(b"HTTP/1.1 200 OK\r\nX-"), silence), "[Tt]ime"),
    "silent in its body": (then(raw(head(200, Content_Length=9) + b"x"), silence), "[Tt]ime"),
    "reset at once": (reset, "."),
    "reset in its body": (then(raw(head(200, Content_Length=9) + b"x"), reset), "."),
    "gone without a word": (raw(b""), "."),
    "no HTTP": (raw(b"SSH-2.0-OpenSSH_9.6\r\n"), "no HTTP"),
    "status 000": (
        endless(b"", b"HTTP/1.1 000 X\r\nContent-Length: 4000\r\n\r\n" + bytes(4000)),
        "no HTTP",
    ),
    "endless headers": (endless(b"HTTP/1.1 200 OK\r\n", b"X-More: headers\r\n"), ENDLESS),
    "one endless header": (endless(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x" * 4096), ENDLESS),
    "endless promises": (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), ENDLESS),
    "one endless chunk size": (
        endless(head(200, Transfer_Encoding="chunked"), b"0" * 4096),
        ENDLESS,
    ),
    "endless trailers": (
        endless(head(200, Transfer_Encoding="chunked") + b"0\r\n", b"X-More: headers\r\n"),
        ENDLESS,
    ),
    "no gzip after all": (says(200, PNG, Content_Encoding="gzip"), "."),
    "429": (says(429, PNG), "HTTP 429"),
    "500": (says(500, PNG), "HTTP 500"),
    "503": (says(503, PNG), "HTTP 503"),
}


def check_unsaved(ctx: Context, job_id: str, error: str) -> None:
    job = ctx.store.get(job_id)
    (image,) = job.images
    assert (job.state, image.state, image.uri) == (State.UNSAVED, "expired", None)
    assert job.error
    assert job.error.message == f"1 of 1 images could not be saved: {image.error}"
    assert image.error
    assert re.search(error, image.error), image.error
    assert files(ctx) == []


@pytest.mark.parametrize(("speak", "error"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_picture_is_refused_and_given_up_after_its_tries(
    ctx: Context, stub: Stub, host: Host, speak: Speak, error: str
) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/0")
    host.speak = speak
    assert download(ctx, job_id) == 5
    assert (ctx.store.get(job_id).images[0].state, files(ctx)) == ("pending", [])
    assert [body for _, path, body in stub.asked if path.endswith("download-url")] == [
        {"url": f"{host.url}/0"}
    ]
    assert download(ctx, job_id) is None
    check_unsaved(ctx, job_id, error)
    assert host.paths == ["/0", "/0"]


@pytest.mark.parametrize(("speak", "error"), TROUBLE.values(), ids=TROUBLE)
def test_a_host_in_trouble_is_asked_until_its_url_has_died(
    ctx: Context, stub: Stub, host: Host, clock: Clock, speak: Speak, error: str
) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/0")
    host.speak = speak
    for _ in range(3):
        assert download(ctx, job_id) is not None
        assert (ctx.store.get(job_id).images[0].state, files(ctx)) == ("pending", [])
    clock.advance(60)
    assert download(ctx, job_id) is None
    check_unsaved(ctx, job_id, error)
    assert host.paths == ["/0"] * 4
    assert stub.asked == []


@pytest.mark.parametrize(
    "speak",
    [
        then(raw(b"HTTP/1.1 200 OK\r\nX-Slow: "), drip),
        then(raw(head(200, Content_Length=10**6)), drip),
    ],
    ids=["headers", "body"],
)
def test_a_host_that_drips_is_left_at_the_deadline(
    ctx: Context, stub: Stub, host: Host, clock: Clock, speak: Speak
) -> None:
    set_bounds(ctx, download_timeout_s=0.2)
    job_id = downloading(ctx, stub, f"{host.url}/0")
    host.speak = speak
    assert download(ctx, job_id) == 5
    clock.advance(60)
    assert download(ctx, job_id) is None
    check_unsaved(ctx, job_id, "[Tt]ime")


@pytest.mark.parametrize("trouble", [says(429), says(503), reset, raw(b"")])
def test_trouble_that_passes_costs_nothing_but_a_try(
    ctx: Context, stub: Stub, host: Host, trouble: Speak
) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/0")
    host.speak = in_turn(trouble, trouble, says(200, PNG))
    assert [download(ctx, job_id) for _ in range(3)] == [5, 10, None]
    job = ctx.store.get(job_id)
    assert (job.state, job.images[0].error) == (State.SUCCEEDED, None)
    assert files(ctx) == [f"{job_id}/0.png", f"{job_id}/job.json"]


def test_a_url_that_died_after_ten_minutes_ends_unsaved(
    ctx: Context, stub: Stub, host: Host, clock: Clock
) -> None:
    dies_at = clock() + timedelta(minutes=10)
    job_id = downloading(ctx, stub, f"{host.url}/0", lifetime_s=600)
    host.speak = lambda connection, asked: (says(503) if clock() < dies_at else says(403, PNG))(
        connection, asked
    )
    for _ in range(3):
        assert download(ctx, job_id) is not None
    assert ctx.store.get(job_id).images[0].error == "HTTP 503"
    assert stub.asked == []
    clock.advance(600)
    assert download(ctx, job_id) is None
    check_unsaved(ctx, job_id, "HTTP 403")
    assert [path.split("?")[0].rpartition("/")[2] for _, path, _ in stub.asked] == [
        "download-url",
        "record-info",
    ]


# Too much


@pytest.mark.parametrize(
    "speak",
    [
        endless(b"HTTP/1.1 200 OK\r\n\r\n", bytes(65536)),
        endless(head(200, Content_Length=1 << 50), bytes(65536)),
        endless(head(200, Transfer_Encoding="chunked"), chunked(bytes(65536))),
        endless(head(200, Content_Encoding="gzip") + BOMB, MORE_BOMB),
        says(200, bytes(400_001)),
    ],
    ids=["without a length", "with a length", "chunked", "gzip bomb", "a byte too long"],
)
def test_what_is_too_large_is_given_up_at_once(
    ctx: Context, stub: Stub, host: Host, speak: Speak
) -> None:
    set_bounds(ctx, download_max_bytes=400_000)
    job_id = downloading(ctx, stub, f"{host.url}/0")
    host.speak = speak
    tracemalloc.start()
    try:
        assert download(ctx, job_id) is None
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
    check_unsaved(ctx, job_id, "^larger than 400000 bytes$")
    assert host.paths == ["/0"]


def test_a_gzip_bomb_takes_no_more_memory_than_its_chunks(
    ctx: Context, stub: Stub, host: Host
) -> None:
    set_bounds(ctx, download_max_bytes=64_000_000)
    job_id = downloading(ctx, stub, f"{host.url}/0")
    host.speak = endless(head(200, Content_Encoding="gzip") + BOMB, MORE_BOMB * 16)
    tracemalloc.start()
    try:
        assert download(ctx, job_id) is None
        assert tracemalloc.get_traced_memory()[1] < 16_000_000
    finally:
        tracemalloc.stop()
    check_unsaved(ctx, job_id, "larger than")


def test_a_file_of_exactly_the_bound_is_saved(ctx: Context, stub: Stub, host: Host) -> None:
    set_bounds(ctx, download_max_bytes=len(PNG))
    job_id = downloading(ctx, stub, f"{host.url}/0")
    host.speak = says(200, PNG)
    assert to_the_end(ctx, job_id).state is State.SUCCEEDED


# What a file is called, and what it is


@pytest.mark.parametrize(
    "speak",
    [
        says(200, PNG, Content_Type="image/jpeg"),
        raw(head(200, Transfer_Encoding="chunked") + chunked(PNG) + b"0\r\n\r\n"),
        raw(b"HTTP/1.0 200 OK\r\n\r\n" + PNG),
        says(200, zlib.compress(PNG, wbits=31), Content_Encoding="gzip"),
        endless(head(200, Content_Encoding="gzip") + zlib.compress(PNG, wbits=31), bytes(65536)),
    ],
    ids=["with a length", "chunked", "to the end of the connection", "gzip unasked", "gzip, junk"],
)
def test_a_png_called_jpg_is_saved_as_png(
    ctx: Context, stub: Stub, host: Host, speak: Speak
) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/0.jpg")
    host.speak = speak
    job = to_the_end(ctx, job_id)
    folder = ctx.storage.scratch.parent / job_id
    assert job.images[0].uri == (folder / "0.png").as_uri()
    assert (job.images[0].content_type, (folder / "0.png").read_bytes()) == ("image/png", PNG)


def test_no_credentials_are_sent_to_an_image_host(ctx: Context, stub: Stub, host: Host) -> None:
    Path(".netrc").write_text(f"machine 127.0.0.1 login me password {'x' * 9}\n")
    job_id = downloading(ctx, stub, f"{host.url}/0")
    host.speak = in_turn(redirects("/1", Set_Cookie="seen=1"), says(403))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NETRC", str(Path(".netrc").resolve()))
        patch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        download(ctx, job_id)
    assert host.paths == ["/0", "/1"]
    for asked in host.asked:
        assert "authorization" not in asked.headers
        assert asked.headers["accept-encoding"] == "identity"
        for key in (ctx.settings.account(kind).api_key for kind in accounts()):
            assert isinstance(key, SecretStr)
            assert key.get_secret_value() not in str(asked)


# Redirects


def test_a_redirect_is_followed(ctx: Context, stub: Stub, host: Host) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/a/0?sig=x")
    host.speak = in_turn(redirects("b/1"), redirects("/c é"), says(200, PNG))
    assert to_the_end(ctx, job_id).state is State.SUCCEEDED
    assert host.paths == ["/a/0?sig=x", "/a/b/1", "/c%20%C3%A9"]


@pytest.mark.parametrize("body", [redirects("/0"), redirects("/0", Content_Length=99)])
def test_a_redirect_loop_is_refused(ctx: Context, stub: Stub, host: Host, body: Speak) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/0")
    host.speak = body
    assert download(ctx, job_id) == 5
    assert host.paths == ["/0"] * 6
    assert download(ctx, job_id) is None
    check_unsaved(ctx, job_id, "more than 5 redirects")


def test_the_endless_body_of_a_redirect_is_not_read(ctx: Context, stub: Stub, host: Host) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/0")
    set_bounds(ctx, download_timeout_s=2)
    host.speak = in_turn(
        endless(head(302, Location="/1", Transfer_Encoding="chunked"), chunked(bytes(65536))),
        says(200, PNG),
    )
    tracemalloc.start()
    try:
        assert download(ctx, job_id) is None
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
    assert ctx.store.get(job_id).state is State.SUCCEEDED


@pytest.mark.parametrize(
    "location",
    [
        "ftp://127.0.0.1/0.png",
        "file:///etc/passwd",
        "FILE:/etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "data:image/png;base64,iVBORw0KGgo=",
        "javascript:alert(1)",
        "http://",
        "http://[",
        "http://[::1",
        "http://[v1.x]/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:port/",
        "http://.example.com/",
        "//",
    ],
)
def test_a_redirect_to_what_is_no_web_address_is_refused(
    ctx: Context, stub: Stub, host: Host, location: str
) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/0")
    host.speak = redirects(location)
    assert download(ctx, job_id) == 5
    assert download(ctx, job_id) is None
    check_unsaved(ctx, job_id, "^(the URL leads to no web address|more than 5 redirects)$")
    assert set(host.paths) <= {"/0", "/"}


def test_a_redirect_that_is_no_text_is_refused(ctx: Context, stub: Stub, host: Host) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/0")
    host.speak = raw(b"HTTP/1.1 302 x\r\nLocation: http://\xff\xfe/\r\nContent-Length: 0\r\n\r\n")
    assert to_the_end(ctx, job_id).state is State.UNSAVED
    check_unsaved(ctx, job_id, "no web address")


@pytest.mark.parametrize("url", ["http://[", "http://a:port/", "http://a b/", "http://.a/"])
def test_a_result_url_that_is_none_ends_its_job(ctx: Context, stub: Stub, url: str) -> None:
    job_id = downloading(ctx, stub, url)
    assert to_the_end(ctx, job_id).state is State.UNSAVED
    check_unsaved(ctx, job_id, "no web address")


# Private addresses, in every spelling

SPELLINGS = {
    "169.254.169.254": "169.254.169.254",
    "127.0.0.1": "127.0.0.1",
    "127.1": "127.0.0.1",
    "127.0.1": "127.0.0.1",
    "2130706433": "127.0.0.1",
    "0x7f000001": "127.0.0.1",
    "0x7f.1": "127.0.0.1",
    "0177.0.0.1": "127.0.0.1",
    "127.0.0.2": "127.0.0.2",
    "0.0.0.0": "0.0.0.0",
    "0": "0.0.0.0",
    "10.0.0.1": "10.0.0.1",
    "192.168.0.1": "192.168.0.1",
    "100.64.0.1": "100.64.0.1",
    "[::1]": "::1",
    "[0:0:0:0:0:0:0:1]": "::1",
    "[::]": "::",
    "[::ffff:127.0.0.1]": "::ffff:127.0.0.1",
    "[::ffff:7f00:1]": "::ffff:127.0.0.1",
    "[::127.0.0.1]": "::127.0.0.1",
    "[::ffff:0:127.0.0.1]": "::ffff:0:7f00:1",
    "[64:ff9b::7f00:1]": "64:ff9b::7f00:1",
    "[64:ff9b:1::7f00:1]": "64:ff9b:1::7f00:1",
    "[2002:7f00:1::]": "2002:7f00:1::",
    "[fd00::1]": "fd00::1",
    "[fe80::1]": "fe80::1",
    "localhost": "127.0.0.1",
    "LOCALHOST": "127.0.0.1",
    "localhost.": "127.0.0.1",
    "user:pass@127.0.0.1": "127.0.0.1",
    "pictures.example@127.0.0.1": "127.0.0.1",
    "pictures.example:80@127.0.0.1": "127.0.0.1",
}
NOBODY = "http://127.0.0.1:1"
real_getaddrinfo = socket.getaddrinfo


def answer_names(monkeypatch: pytest.MonkeyPatch, **names: list[list[str]]) -> list[str]:
    """Resolve names (`_` for a dot) to these addresses, turn by turn; returns who was asked for."""
    asked: list[str] = []

    def answer(name: Any, port: Any, *args: Any, **options: Any) -> Any:
        turns = names.get(str(name).lower().rstrip(".").replace(".", "_"))
        if turns is None:
            return real_getaddrinfo(name, port, *args, **options)
        asked.append(name)
        addresses = turns.pop(0) if turns[1:] else turns[0]
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, port),
            )
            for address in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked


@pytest.mark.parametrize(("spelling", "address"), SPELLINGS.items())
def test_no_spelling_of_a_private_address_is_asked(
    ctx: Context,
    stub: Stub,
    host: Host,
    secret: Host,
    spelling: str,
    address: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer_names(monkeypatch, localhost=[["127.0.0.1"]])
    monkeypatch.setattr("imagequeue.worker.http.connections.CONNECT_TIMEOUT_S", 0.3)
    there = f"http://{spelling}:{secret.port}/0"
    host.speak = redirects(there)
    job_id = downloading(ctx, stub, there, f"{host.url}/0")
    set_bounds(ctx, download_attempts=1, kie_base_url=NOBODY)
    assert download(ctx, job_id) is None
    direct, redirected = ctx.store.get(job_id).images
    assert (direct.state, redirected.state, files(ctx)) == ("expired", "expired", [])
    assert direct.error == redirected.error == f"{address} is a private address"
    assert (secret.asked, host.paths) == ([], ["/0"])


@pytest.mark.parametrize(
    "url",
    [
        "http://pictures.example\\@127.0.0.1:{port}/0",
        "http://127.0.0.1:{port}\\@pictures.example/0",
        "http://pictures.example#@127.0.0.1:{port}/0",
        "http://pictures.example?@127.0.0.1:{port}/0",
        "http:\\\\127.0.0.1:{port}/0",
        "http:/127.0.0.1:{port}/0",
        "\thttp://127.0.0.1:{port}/0",
        "http://\t127.0.0.1:{port}/0",
        "http://127.0.0.1\u3002:{port}/0",
        "http://127\u30020\u30020\u30021:{port}/0",
        "http://\uff11\uff12\uff17.0.0.1:{port}/0",
        "http://\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3:{port}/0",
        "http://%6c%6f%63%61%6c%68%6f%73%74:{port}/0",
        "http://127.0.0.1%00.pictures.example:{port}/0",
    ],
)
def test_no_trick_in_a_url_leads_inside(
    ctx: Context,
    stub: Stub,
    host: Host,
    secret: Host,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer_names(monkeypatch, localhost=[["127.0.0.1"]], pictures_example=[["10.0.0.1"]])
    there = url.format(port=secret.port)
    host.speak = raw(head(302, Location="?")[:-7] + there.encode() + b"\r\n\r\n")
    job_id = downloading(ctx, stub, there, f"{host.url}/0")
    set_bounds(ctx, kie_base_url=NOBODY)
    download(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.images[0].state) == (State.DOWNLOADING, "pending")
    assert [image.attempts for image in job.images] == [1, 1]
    assert (secret.asked, files(ctx), host.paths[0]) == ([], [], "/0")


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["127.0.0.1", "93.184.216.34"], ["::1"]],
    ids=lambda addresses: " and ".join(addresses),
)
def test_a_name_that_leads_inside_is_refused(
    ctx: Context,
    stub: Stub,
    secret: Host,
    addresses: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = answer_names(monkeypatch, pictures_example=[addresses])
    job_id = downloading(ctx, stub, f"http://pictures.example:{secret.port}/0")
    to_the_end(ctx, job_id)
    (private,) = {each for each in addresses if not ipaddress.ip_address(each).is_global}
    check_unsaved(ctx, job_id, f"^{private} is a private address$")
    assert secret.asked == []
    assert len(asked) == 2


def test_a_name_that_moves_inside_after_its_check_gains_nothing(
    ctx: Context, stub: Stub, secret: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """127.0.0.1 plays the public address; whoever resolves the name again is led to another."""
    asked = answer_names(monkeypatch, pictures_example=[["127.0.0.1"], ["127.0.0.9"]])
    monkeypatch.setattr(connections, "is_public", lambda ip: ip == "127.0.0.1" or is_public(ip))
    job_id = downloading(ctx, stub, f"http://pictures.example:{secret.port}/0")
    assert download(ctx, job_id) is None
    assert [each.at for each in secret.asked] == ["127.0.0.1"]
    assert secret.asked[0].headers["host"] == f"pictures.example:{secret.port}"
    assert asked == ["pictures.example"]


def test_every_address_of_a_name_is_tried(
    ctx: Context, stub: Stub, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the first one nobody listens."""
    answer_names(monkeypatch, pictures_example=[["127.0.0.9", "127.0.0.1"]])
    monkeypatch.setattr(connections, "is_public", lambda ip: True)
    host.speak = says(200, PNG)
    job_id = downloading(ctx, stub, f"http://pictures.example:{host.netloc.split(':')[1]}/0")
    assert to_the_end(ctx, job_id).state is State.SUCCEEDED


def test_a_name_that_moves_inside_between_two_tries_is_refused(
    ctx: Context, stub: Stub, secret: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_names(monkeypatch, pictures_example=[["127.0.0.1"], ["127.0.0.9"]])
    monkeypatch.setattr(connections, "is_public", lambda ip: ip == "127.0.0.1" or is_public(ip))
    job_id = downloading(ctx, stub, f"http://pictures.example:{secret.port}/0")
    secret.speak = says(503)
    assert download(ctx, job_id) == 5
    assert download(ctx, job_id) is None
    check_unsaved(ctx, job_id, "127.0.0.9 is a private address")
    assert [each.at for each in secret.asked] == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("trusted", "asked", "opened"),
    [
        ("127.0.0.1:{port}", "127.0.0.1:{port}", True),
        ("127.0.0.1:1", "127.0.0.1:{port}", False),
        ("127.0.0.1", "127.0.0.1:{port}", False),
        ("127.0.0.1:{port}", "localhost:{port}", False),
        ("127.0.0.1:{port}", "127.1:{port}", False),
        ("localhost:{port}", "localhost:{port}", True),
        ("localhost:{port}", "LOCALHOST:{port}", True),
        ("localhost:{port}", "127.0.0.1:{port}", False),
        ("localhost:{port}", "my.localhost:{port}", False),
        ("10.0.0.1:{port}, localhost:{port}", "localhost:{port}", True),
    ],
)
def test_a_trusted_host_opens_exactly_its_name_and_port(
    ctx: Context,
    stub: Stub,
    secret: Host,
    trusted: str,
    asked: str,
    opened: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer_names(monkeypatch, localhost=[["127.0.0.1"]], my_localhost=[["127.0.0.1"]])
    hosts = [each.strip() for each in trusted.format(port=secret.port).split(",")]
    vars(ctx.http)["_trusted"] = frozenset(hosts)
    job_id = downloading(ctx, stub, f"http://{asked.format(port=secret.port)}/0")
    job = to_the_end(ctx, job_id)
    assert job.state is (State.SUCCEEDED if opened else State.UNSAVED)
    assert len(secret.asked) == opened


# TLS


def certified(folder: Path) -> ssl.SSLContext:
    """A server's side of TLS with a certificate that nobody vouches for."""
    from cryptography import x509  # moto brings it along
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    pkcs8 = serialization.PrivateFormat.PKCS8
    path = folder / "host.pem"
    path.write_bytes(key.private_bytes(pem, pkcs8, plain) + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.mark.parametrize("vouched", [False, True], ids=["bad certificate", "good certificate"])
def test_a_host_is_asked_over_tls_only_if_its_certificate_is_good(
    ctx: Context,
    stub: Stub,
    clock: Clock,
    tmp_path: Path,
    vouched: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with hosting(tls=certified(tmp_path)) as host:
        host.speak = says(200, PNG)
        vars(ctx.http)["_trusted"] = frozenset({host.netloc})
        if vouched:
            trusting = ssl.create_default_context(cafile=tmp_path / "host.pem")
            monkeypatch.setattr(connections, "tls_context", lambda: trusting)
        job_id = downloading(ctx, stub, f"https://{host.netloc}/0")
        pause_s = download(ctx, job_id)
        if vouched:
            assert (pause_s, host.paths) == (None, ["/0"])
            return
        assert pause_s == 5
        clock.advance(60)
        assert download(ctx, job_id) is None
        check_unsaved(ctx, job_id, "self-signed certificate")
        assert host.asked == []


def test_what_came_with_an_answer_over_tls_is_not_taken_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # More than is received at once, and the whole of it in one TLS record.
    honest = head(200, Content_Length=9000) + bytes(9000)
    forged = head(200, Content_Length=6) + b"forged"
    with hosting(tls=certified(tmp_path)) as host:
        host.speak = in_turn(then(raw(honest + forged), silence), raw(honest))
        trusting = ssl.create_default_context(cafile=tmp_path / "host.pem")
        monkeypatch.setattr(connections, "tls_context", lambda: trusting)
        http = Http()
        for _ in range(2):
            url, deadline = f"https://127.0.0.1:{host.port}/", time.monotonic() + 5
            with http.request("GET", url, deadline=deadline) as response:
                assert response.read(1 << 20) == bytes(9000)


def test_a_port_that_speaks_no_tls_is_trouble(
    ctx: Context, stub: Stub, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagequeue.worker.http.connections.CONNECT_TIMEOUT_S", 0.3)
    job_id = downloading(ctx, stub, f"https://{host.netloc}/0")
    host.speak = says(200, PNG)
    assert download(ctx, job_id) == 5
    assert ctx.store.get(job_id).images[0].state == "pending"
    assert (files(ctx), host.asked) == ([], [])
