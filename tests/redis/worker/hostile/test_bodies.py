"""Bodies from hostile hosts: bounded in size and memory, and saved as what they are."""

import tracemalloc
import zlib
from pathlib import Path

import pytest

from imagequeue.jobs.job import State
from imagequeue.providers import accounts
from imagequeue.worker.context import Context
from imagequeue.worker.download import download
from support.hostile import (
    Host,
    Speak,
    check_unsaved,
    chunked,
    downloading,
    endless,
    head,
    in_turn,
    picture,
    raw,
    redirects,
    says,
    set_bounds,
    to_the_end,
)
from support.stub import Stub

PNG = picture()
# A megabyte of zeros in a thousand bytes, repeatable.
ZEROS = zlib.compressobj(wbits=31)
BOMB = ZEROS.compress(bytes(1 << 20)) + ZEROS.flush(zlib.Z_FULL_FLUSH)
MORE_BOMB = ZEROS.compress(bytes(1 << 20)) + ZEROS.flush(zlib.Z_FULL_FLUSH)


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


@pytest.mark.parametrize(
    "speak",
    [
        says(200, PNG, Content_Type="image/jpeg"),
        raw(head(200, Transfer_Encoding="chunked") + chunked(PNG) + b"0\r\n\r\n"),
        raw(b"HTTP/1.0 200 OK\r\n\r\n" + PNG),
        says(200, zlib.compress(PNG, wbits=31), Content_Encoding="gzip"),
        says(200, PNG, Content_Encoding="gzip"),
        says(200, PNG, Content_Encoding="aws-chunked"),
        says(200, PNG, Content_Encoding="utf-8"),
    ],
    ids=[
        "with a length",
        "chunked",
        "to the end of the connection",
        "gzip unasked",
        "no gzip after all",
        "an unknown coding",
        "a charset as coding",
    ],
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
    keys = [ctx.settings.account(kind).api_key for kind in accounts()]
    secrets = [key.get_secret_value() for key in keys if key]
    assert secrets
    for asked in host.asked:
        assert "authorization" not in asked.headers
        assert asked.headers["accept-encoding"] == "identity"
        assert not any(secret in str(asked) for secret in secrets)
