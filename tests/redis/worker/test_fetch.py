"""Fetch: a transfer that breaks goes on where it stopped, and two files are never mixed."""

import hashlib
import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from imagequeue.jobs.job import State
from imagequeue.worker.context import Context
from imagequeue.worker.download import download
from imagequeue.worker.http import transfer
from imagequeue.worker.http.message import Request, Response
from support.clock import Clock
from support.hostile import (
    Asked,
    Host,
    downloading,
    files,
    head,
    hosting,
    picture,
    set_bounds,
    to_the_end,
)
from support.stub import Stub

JPEG, OTHER = picture("JPEG", (200, 100)), picture("JPEG", (200, 99))
TAGGED = {"ETag": '"one"', "Accept_Ranges": "bytes"}
DATED = {"Last_Modified": "Fri, 20 Nov 2026 10:00:00 GMT", "Accept_Ranges": "bytes"}


class Ranged:
    """A file on a host that can resume, and breaks after each of the `breaks`, in bytes."""

    def __init__(self, *breaks: int, **headers: object) -> None:
        self.data = JPEG
        self.breaks = list(breaks)
        self.headers = headers
        self.changes_to: bytes | None = None
        """What the file has become when the rest of it is asked for."""

    def __call__(self, connection: socket.socket, asked: Asked) -> None:
        found = re.fullmatch(r"bytes=(\d+)-", asked.headers.get("range", ""))
        if found and self.changes_to:
            self.data = self.changes_to
            self.headers = {**self.headers, "ETag": '"two"'}
        fits = asked.headers.get("if-range") in map(self.headers.get, ("ETag", "Last_Modified"))
        if found and fits:
            self.send(connection, 206, int(found[1]))
        else:
            self.send(connection, 200, 0)

    def send(self, connection: socket.socket, status: int, start: int, **headers: object) -> None:
        size = len(self.data)
        part = {"Content_Range": f"bytes {start}-{size - 1}/{size}"} if status == 206 else {}
        headers = {"Content_Length": size - start, **self.headers, **part, **headers}
        stop = start + self.breaks.pop(0) if self.breaks else size
        connection.sendall(head(status, **headers) + self.data[start:stop])


@pytest.fixture
def host() -> Iterator[Host]:
    with hosting() as one:
        yield one


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub, host: Host) -> dict[str, str]:
    return {**overrides, "kie_base_url": stub.url, "download_trusted_hosts": host.netloc}


@pytest.fixture
def job_id(ctx: Context, stub: Stub, host: Host, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(transfer, "CHUNK_BYTES", 100)
    return downloading(ctx, stub, f"{host.url}/0")


def ranges(host: Host) -> list[tuple[str | None, str | None]]:
    return [(asked.headers.get("range"), asked.headers.get("if-range")) for asked in host.asked]


def check_saved(ctx: Context, job_id: str, data: bytes = JPEG) -> None:
    job = ctx.store.get(job_id)
    (image,) = job.images
    assert job.state is State.SUCCEEDED
    assert (ctx.storage.scratch.parent / job_id / "0.jpg").read_bytes() == data
    assert (image.sha256, image.bytes) == (hashlib.sha256(data).hexdigest(), len(data))


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        (TAGGED, '"one"'),
        (DATED, DATED["Last_Modified"]),
        ({**DATED, **TAGGED}, '"one"'),
        ({**DATED, "ETag": 'W/"one"'}, DATED["Last_Modified"]),
    ],
    ids=["tag", "date", "both", "weak tag and date"],
)
def test_a_transfer_that_breaks_goes_on_where_it_stopped(
    ctx: Context, host: Host, job_id: str, headers: dict[str, Any], validator: str
) -> None:
    host.speak = Ranged(1000, **headers)
    assert download(ctx, job_id) is None
    check_saved(ctx, job_id)
    assert ranges(host) == [(None, None), ("bytes=1000-", validator)]


def test_several_breaks_in_a_row_are_gone_over(ctx: Context, host: Host, job_id: str) -> None:
    host.speak = Ranged(1000, 500, 1, 99, 100, **TAGGED)
    assert download(ctx, job_id) is None
    check_saved(ctx, job_id)
    starts = [None, *(f"bytes={n}-" for n in (1000, 1500, 1501, 1600, 1700))]
    assert [start for start, _ in ranges(host)] == starts


def test_one_break_too_many_ends_the_try(ctx: Context, host: Host, job_id: str) -> None:
    host.speak = Ranged(*[100] * 6, **TAGGED)
    assert download(ctx, job_id) == 5
    assert (len(host.asked), files(ctx)) == (6, [])
    assert download(ctx, job_id) is None
    assert ranges(host)[6] == (None, None)
    check_saved(ctx, job_id)


@pytest.mark.parametrize("breaks", [(0, 0), (1000, 0)], ids=["at once", "after a resumption"])
def test_without_progress_the_try_is_given_up(
    ctx: Context, host: Host, job_id: str, breaks: tuple[int, int]
) -> None:
    host.speak = Ranged(*breaks, **TAGGED)
    tries = 1 + bool(breaks[0])
    assert download(ctx, job_id) == 5
    assert (len(host.asked), files(ctx)) == (tries, [])
    to_the_end(ctx, job_id)
    assert ranges(host)[tries] == (None, None)
    check_saved(ctx, job_id)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"ETag": '"one"'},
        {"ETag": '"one"', "Accept_Ranges": "none"},
        {"ETag": 'W/"one"', "Accept_Ranges": "bytes"},
        {"Accept_Ranges": "bytes"},
    ],
    ids=["nothing", "no ranges", "ranges refused", "weak tag", "no validator"],
)
def test_download_that_may_differ_is_started_again(
    ctx: Context, host: Host, job_id: str, headers: dict[str, Any]
) -> None:
    host.speak = Ranged(1000, **headers)
    assert download(ctx, job_id) == 5
    assert (ranges(host), files(ctx)) == ([(None, None)], [])
    assert download(ctx, job_id) is None
    assert ranges(host)[1] == (None, None)
    check_saved(ctx, job_id)


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, {}),
        (206, {"Content_Range": f"bytes 900-{len(JPEG) - 1}/{len(JPEG)}"}),
        (206, {"Content_Range": f"bytes 10000-{len(JPEG) - 1}/{len(JPEG)}"}),
        (206, {"Content_Range": "items"}),
        (206, {"ETag": '"two"'}),
        (416, {"Content_Range": f"bytes */{len(JPEG)}"}),
        (404, {}),
        (503, {}),
    ],
    ids=["whole", "early", "late", "no bytes", "another file", "416", "gone", "503"],
)
def test_a_rest_that_does_not_fit_fails_the_whole_try(
    ctx: Context, stub: Stub, host: Host, job_id: str, status: int, headers: dict[str, Any]
) -> None:
    whole = Ranged(1000, **TAGGED)

    def speak(connection: socket.socket, asked: Asked) -> None:
        if "range" in asked.headers:
            start = 1000 if status == 206 else 0
            return whole.send(connection, status, start, **headers)
        return whole(connection, asked)

    host.speak = speak
    assert download(ctx, job_id) == 5
    assert (len(host.asked), files(ctx)) == (2, [])
    (image,) = ctx.store.get(job_id).images
    assert image.error in (f"no rest of the file: HTTP {status}", "HTTP 503")
    assert stub.asked == []  # trouble of the host: the URL is not to blame
    assert download(ctx, job_id) is None
    assert ranges(host)[2] == (None, None)
    check_saved(ctx, job_id)


def test_a_file_that_changed_in_between_is_not_mixed(ctx: Context, host: Host, job_id: str) -> None:
    host.speak = ranged = Ranged(1000, **TAGGED)
    ranged.changes_to = OTHER
    assert download(ctx, job_id) == 5
    assert ranges(host)[1] == ("bytes=1000-", '"one"')
    assert files(ctx) == []
    assert download(ctx, job_id) is None
    check_saved(ctx, job_id, OTHER)


def test_the_bound_on_size_counts_all_parts(ctx: Context, host: Host, job_id: str) -> None:
    set_bounds(ctx, download_max_bytes=1500)
    host.speak = Ranged(1000, 1000, **TAGGED)
    assert download(ctx, job_id) is None
    job = ctx.store.get(job_id)
    assert (job.state, job.images[0].error) == (State.UNSAVED, "larger than 1500 bytes")
    assert (len(host.asked), files(ctx)) == (2, [])


def test_the_deadline_counts_all_parts(
    ctx: Context, host: Host, job_id: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.speak = Ranged(1000, **TAGGED)
    set_bounds(ctx, download_timeout_s=60)
    deadlines = []
    original = ctx.http.send

    def send(request: Request) -> Response:
        deadlines.append(request.deadline)
        return original(request)

    monkeypatch.setattr(ctx.http, "send", send)
    assert download(ctx, job_id) is None
    first, second = deadlines
    assert first == second
