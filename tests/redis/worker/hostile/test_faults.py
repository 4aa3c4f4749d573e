"""Image hosts with faults: each has its end, and none leaves a file."""

import json
import struct
import zlib
from datetime import timedelta

import pytest

from imagequeue.jobs.job import State
from imagequeue.worker.context import Context
from imagequeue.worker.download import download
from support.clock import Clock
from support.hostile import (
    Host,
    Speak,
    check_unsaved,
    chunked,
    downloading,
    drip,
    endless,
    files,
    head,
    in_turn,
    picture,
    raw,
    reset,
    says,
    set_bounds,
    silence,
    then,
)
from support.stub import Stub

PNG = picture()
HALF = len(PNG) // 2


def bomb_png() -> bytes:
    """A PNG of a few bytes that would be 3.6 gigapixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 1, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b"")


# After a refusal the provider is asked for a new URL; a fault is retried while the URL lives.

REFUSED: dict[str, tuple[Speak, str]] = {
    "HTML": (says(200, b"<!DOCTYPE html><p>sorry", Content_Type="image/png"), "a web page"),
    "JSON": (says(200, b'{"error": "expired"}', Content_Type="image/png"), "the file is JSON"),
    "shorter than it is": (says(200, PNG, Content_Length=len(PNG) - 19), "the PNG is cut off"),
    "half, and no length": (raw(b"HTTP/1.0 200 OK\r\n\r\n" + PNG[:HALF]), "the PNG "),
    "empty": (says(200), "the file is empty"),
    "no content": (says(204), "HTTP 204"),
    "403": (says(403, PNG), "HTTP 403"),
    "404": (says(404, PNG), "HTTP 404"),
    "410": (says(410, PNG), "HTTP 410"),
    "a part that was not asked for": (says(206, PNG), "HTTP 206"),
    "redirect to nowhere": (says(302), "HTTP 302"),
}
FAULTS: dict[str, tuple[Speak, str]] = {
    "cut off": (raw(head(200, Content_Length=len(PNG)) + PNG[:HALF]), "incomplete"),
    "cut off, chunked": (
        raw(head(200, Transfer_Encoding="chunked") + chunked(PNG[:HALF])),
        "incomplete",
    ),
    "longer than it is": (says(200, PNG, Content_Length=len(PNG) + 9), "incomplete"),
    "longer, and silent": (then(says(200, PNG, Content_Length=len(PNG) + 9), silence), "[Tt]ime"),
    "silent": (silence, "[Tt]ime"),
    "silent in its headers": (then(raw(b"HTTP/1.1 200 OK\r\nX-"), silence), "[Tt]ime"),
    "silent in its body": (then(raw(head(200, Content_Length=9) + b"x"), silence), "[Tt]ime"),
    "reset at once": (reset, "."),
    "reset in its body": (then(raw(head(200, Content_Length=9) + b"x"), reset), "."),
    "gone without a word": (raw(b""), "."),
    "no HTTP": (raw(b"SSH-2.0-OpenSSH_9.6\r\n"), "not HTTP"),
    "status 000": (
        endless(b"", b"HTTP/1.1 000 X\r\nContent-Length: 4000\r\n\r\n" + bytes(4000)),
        "not HTTP",
    ),
    "endless headers": (endless(b"HTTP/1.1 200 OK\r\n", b"X-More: headers\r\n"), "."),
    "one endless header": (endless(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x" * 4096), "."),
    "endless promises": (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "."),
    "one endless chunk size": (
        endless(head(200, Transfer_Encoding="chunked"), b"0" * 4096),
        ".",
    ),
    "endless trailers": (
        endless(head(200, Transfer_Encoding="chunked") + b"0\r\n", b"X-More: headers\r\n"),
        ".",
    ),
    "gzip, and junk behind it": (
        endless(head(200, Content_Encoding="gzip") + zlib.compress(PNG, wbits=31), bytes(65536)),
        "cannot be decoded",
    ),
    "half a gzip": (
        says(200, zlib.compress(PNG, wbits=31)[:-9], Content_Encoding="gzip"),
        "incomplete",
    ),
    "429": (says(429, PNG), "HTTP 429"),
    "500": (says(500, PNG), "HTTP 500"),
    "503": (says(503, PNG), "HTTP 503"),
}


@pytest.mark.parametrize(("speak", "error"), REFUSED.values(), ids=REFUSED)
def test_a_file_that_is_no_image_is_given_up_after_its_tries(
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


LASTING = {
    "decompression bomb": (bomb_png(), "the PNG has 60000 x 60000 pixels"),
    "TIFF": (b"II*\0" + bytes(60), "a TIFF image"),
    "too large": (PNG + bytes(100_000), "larger than 50000 bytes"),
}


@pytest.mark.parametrize(("data", "error"), LASTING.values(), ids=LASTING)
def test_lasting_failure_ends_after_one_refresh(
    ctx: Context, stub: Stub, host: Host, data: bytes, error: str
) -> None:
    set_bounds(ctx, download_max_bytes=50_000)
    job_id = downloading(ctx, stub, f"{host.url}/0")
    host.speak = says(200, data)
    assert download(ctx, job_id) is None
    check_unsaved(ctx, job_id, error)
    assert host.paths == ["/0"]
    assert len([path for _, path, _ in stub.asked if path.endswith("download-url")]) == 1


def test_trailing_junk_is_stored_and_recorded(ctx: Context, stub: Stub, host: Host) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/0")
    host.speak = says(200, PNG + bytes(64))
    assert download(ctx, job_id) is None
    (image,) = ctx.store.get(job_id).images
    assert (image.state, image.bytes, image.ignored_bytes) == ("stored", len(PNG) + 64, 64)
    record = b"".join(ctx.storage.open(ctx.storage.uri(f"{job_id}/job.json")).chunks)
    assert json.loads(record)["images"][0]["ignored_bytes"] == 64


@pytest.mark.parametrize(("speak", "error"), FAULTS.values(), ids=FAULTS)
def test_a_faulty_host_is_asked_until_its_url_has_died(
    ctx: Context, stub: Stub, host: Host, clock: Clock, speak: Speak, error: str
) -> None:
    # A second is libcurl's shortest bound on silence: here the deadline comes first.
    set_bounds(ctx, download_timeout_s=0.3 if error == "[Tt]ime" else 60)
    job_id = downloading(ctx, stub, f"{host.url}/0")
    host.speak = speak
    for _ in range(3):
        assert download(ctx, job_id) is not None
        assert (ctx.store.get(job_id).images[0].state, files(ctx)) == ("pending", [])
    clock.advance(60)
    assert download(ctx, job_id) is None
    check_unsaved(ctx, job_id, error)
    # libcurl repeats a GET only on a kept connection, and these are closed.
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


@pytest.mark.parametrize("fault", [says(429), says(503), reset, raw(b"")])
def test_a_fault_that_passes_costs_only_a_try(
    ctx: Context, stub: Stub, host: Host, fault: Speak
) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/0")
    host.speak = in_turn(fault, fault, says(200, PNG))
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
