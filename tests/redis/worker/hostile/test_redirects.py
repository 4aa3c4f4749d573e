"""Redirects of hostile hosts: followed a few times, and only to web addresses."""

import tracemalloc

import pytest

from imagequeue.jobs.job import State
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
def test_a_redirect_to_an_invalid_url_is_refused(
    ctx: Context, stub: Stub, host: Host, location: str
) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/0")
    host.speak = redirects(location)
    assert download(ctx, job_id) == 5
    assert download(ctx, job_id) is None
    check_unsaved(ctx, job_id, "^(the URL is not a web address|more than 5 redirects)$")
    assert set(host.paths) <= {"/0", "/"}


def test_a_redirect_to_binary_junk_is_refused(ctx: Context, stub: Stub, host: Host) -> None:
    job_id = downloading(ctx, stub, f"{host.url}/0")
    host.speak = raw(b"HTTP/1.1 302 x\r\nLocation: http://\xff\xfe/\r\nContent-Length: 0\r\n\r\n")
    assert to_the_end(ctx, job_id).state is State.UNSAVED
    check_unsaved(ctx, job_id, "not a web address")


@pytest.mark.parametrize("url", ["http://[", "http://a:port/", "http://a b/", "http://.a/"])
def test_an_invalid_result_url_ends_its_job(ctx: Context, stub: Stub, url: str) -> None:
    job_id = downloading(ctx, stub, url)
    assert to_the_end(ctx, job_id).state is State.UNSAVED
    check_unsaved(ctx, job_id, "not a web address")
