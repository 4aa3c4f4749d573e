"""TLS of image hosts: only a host with a trusted certificate is asked."""

import time
from pathlib import Path

import pytest

from imagequeue.worker.context import Context
from imagequeue.worker.download import download
from imagequeue.worker.http.address_guard import AddressGuard
from imagequeue.worker.http.client import HttpClient
from imagequeue.worker.http.message import Request
from support.clock import Clock
from support.hostile import (
    Host,
    check_unsaved,
    downloading,
    files,
    head,
    hosting,
    in_turn,
    picture,
    raw,
    says,
    silence,
    then,
)
from support.http_servers import set_connect_timeout
from support.stub import Stub
from support.tls import certify

PNG = picture()


@pytest.mark.parametrize("vouched", [False, True], ids=["bad certificate", "good certificate"])
def test_a_host_is_asked_only_if_its_certificate_is_trusted(
    ctx: Context,
    stub: Stub,
    clock: Clock,
    tmp_path: Path,
    vouched: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with hosting(tls=certify(tmp_path)) as host:
        host.speak = says(200, PNG)
        http = HttpClient(
            AddressGuard([host.netloc]), ca_file=str(tmp_path / "host.pem") if vouched else ""
        )
        vars(ctx)["http"] = http
        job_id = downloading(ctx, stub, f"https://{host.netloc}/0")
        pause_s = download(ctx, job_id)
        if vouched:
            assert (pause_s, host.paths) == (None, ["/0"])
            return
        assert pause_s == 5
        clock.advance(60)
        assert download(ctx, job_id) is None
        check_unsaved(ctx, job_id, "certificate is not trusted")
        assert host.asked == []


def test_junk_behind_a_tls_response_is_not_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # More than is received at once, and the whole of it in one TLS record.
    honest = head(200, Content_Length=9000) + bytes(9000)
    forged = head(200, Content_Length=6) + b"forged"
    with hosting(tls=certify(tmp_path)) as host:
        host.speak = in_turn(then(raw(honest + forged), silence), raw(honest))
        http = HttpClient(ca_file=str(tmp_path / "host.pem"))
        for _ in range(2):
            url, deadline = f"https://127.0.0.1:{host.port}/", time.monotonic() + 5
            request = Request(method="GET", url=url, deadline=deadline, max_bytes=1 << 20)
            assert http.send(request).body == bytes(9000)


def test_a_port_without_tls_is_a_fault(ctx: Context, stub: Stub, host: Host) -> None:
    set_connect_timeout(ctx.http, 0.3)
    job_id = downloading(ctx, stub, f"https://{host.netloc}/0")
    host.speak = says(200, PNG)
    assert download(ctx, job_id) == 5
    assert ctx.store.get(job_id).images[0].state == "pending"
    assert (files(ctx), host.asked) == ([], [])
