"""Private addresses: in no spelling, trick or name are they downloaded from."""

from collections.abc import Iterator

import pytest

from imagequeue.config.addresses import is_public
from imagequeue.jobs.job import State
from imagequeue.worker.context import Context
from imagequeue.worker.download import download
from imagequeue.worker.http import address_guard
from imagequeue.worker.http.address_guard import AddressGuard
from support.hostile import (
    Host,
    check_unsaved,
    downloading,
    files,
    head,
    hosting,
    picture,
    raw,
    redirects,
    says,
    set_bounds,
    to_the_end,
)
from support.http_servers import resolve, set_connect_timeout
from support.stub import Stub

PNG = picture()


@pytest.fixture
def secret() -> Iterator[Host]:
    """A service of this machine that nobody may be led to."""
    with hosting("0.0.0.0") as one:
        one.speak = says(200, PNG)
        yield one


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
    "[::ffff:7f00:1]": "::ffff:7f00:1",
    "[::127.0.0.1]": "::127.0.0.1",
    "[::ffff:0:127.0.0.1]": "::ffff:0:7f00:1",
    "[64:ff9b::7f00:1]": "64:ff9b::7f00:1",
    "[64:ff9b:1::7f00:1]": "64:ff9b:1::7f00:1",
    "[2002:7f00:1::]": "2002:7f00:1::",
    "[fd00::1]": "fd00::1",
    "[fe80::1]": "fe80::1",
    "localhost": "localhost",
    "LOCALHOST": "localhost",
    "localhost.": "localhost",
    "user:pass@127.0.0.1": "127.0.0.1",
    "images.example@127.0.0.1": "127.0.0.1",
    "images.example:80@127.0.0.1": "127.0.0.1",
}
NOBODY = "http://127.0.0.1:1"


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
    set_connect_timeout(ctx.http, 0.3)
    there = f"http://{spelling}:{secret.port}/0"
    host.speak = redirects(there)
    job_id = downloading(ctx, stub, there, f"{host.url}/0")
    set_bounds(ctx, download_attempts=1, kie_base_url=NOBODY)
    assert download(ctx, job_id) is None
    direct, redirected = ctx.store.get(job_id).all_images
    assert (direct.state, redirected.state, files(ctx)) == ("expired", "expired", [])
    assert direct.error == redirected.error
    assert (direct.error or "").startswith(f"{address} is a private address")
    assert (secret.asked, host.paths) == ([], ["/0"])


@pytest.mark.parametrize(
    "url",
    [
        "http://images.example\\@127.0.0.1:{port}/0",
        "http://127.0.0.1:{port}\\@images.example/0",
        "http://images.example#@127.0.0.1:{port}/0",
        "http://images.example?@127.0.0.1:{port}/0",
        "http:\\\\127.0.0.1:{port}/0",
        "http:/127.0.0.1:{port}/0",
        "\thttp://127.0.0.1:{port}/0",
        "http://\t127.0.0.1:{port}/0",
        "http://127.0.0.1\u3002:{port}/0",
        "http://127\u30020\u30020\u30021:{port}/0",
        "http://\uff11\uff12\uff17.0.0.1:{port}/0",
        "http://\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3:{port}/0",
        "http://%6c%6f%63%61%6c%68%6f%73%74:{port}/0",
        "http://127.0.0.1%00.images.example:{port}/0",
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
    resolve(ctx.http, secret.port, images_example="10.0.0.1")
    there = url.format(port=secret.port)
    host.speak = raw(head(302, Location="?")[:-7] + there.encode() + b"\r\n\r\n")
    job_id = downloading(ctx, stub, there, f"{host.url}/0")
    set_bounds(ctx, kie_base_url=NOBODY)
    download(ctx, job_id)
    job = ctx.store.get(job_id)
    assert "stored" not in {image.state for image in job.all_images}
    assert [image.attempts for image in job.all_images] == [1, 1]
    assert (secret.asked, files(ctx), host.paths[0]) == ([], [], "/0")


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["127.0.0.1", "93.184.216.34"], ["[::1]"]],
    ids=lambda addresses: " and ".join(addresses),
)
def test_a_name_that_leads_inside_is_refused(
    ctx: Context,
    stub: Stub,
    secret: Host,
    addresses: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_connect_timeout(ctx.http, 2)
    resolve(ctx.http, secret.port, images_example=",".join(addresses))
    job_id = downloading(ctx, stub, f"http://images.example:{secret.port}/0")
    to_the_end(ctx, job_id)
    (private,) = {each.strip("[]") for each in addresses} - {"93.184.216.34"}
    check_unsaved(
        ctx, job_id, f"^{private} is a private address; .* IMAGEQUEUE_DOWNLOAD_TRUSTED_NETWORKS$"
    )
    assert secret.asked == []


def test_the_address_that_is_connected_to_is_the_one_checked(
    ctx: Context, stub: Stub, secret: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """127.0.0.1 plays a public address; it alone is connected to, under the name."""
    monkeypatch.setattr(address_guard, "is_public", lambda ip: ip == "127.0.0.1" or is_public(ip))
    resolve(ctx.http, secret.port, images_example="127.0.0.1,127.0.0.9")
    job_id = downloading(ctx, stub, f"http://images.example:{secret.port}/0")
    assert download(ctx, job_id) is None
    assert [each.at for each in secret.asked] == ["127.0.0.1"]
    assert secret.asked[0].headers["host"] == f"images.example:{secret.port}"


def test_every_address_of_a_name_is_tried(
    ctx: Context, stub: Stub, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the first one nobody listens."""
    monkeypatch.setattr(address_guard, "is_public", lambda ip: True)
    port = int(host.netloc.split(":")[1])
    resolve(ctx.http, port, images_example="127.0.0.9,127.0.0.1")
    host.speak = says(200, PNG)
    job_id = downloading(ctx, stub, f"http://images.example:{port}/0")
    assert to_the_end(ctx, job_id).state is State.SUCCEEDED


def test_a_name_that_leads_inside_at_the_second_try_is_refused(
    ctx: Context, stub: Stub, secret: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address_guard, "is_public", lambda ip: ip == "127.0.0.1" or is_public(ip))
    resolve(ctx.http, secret.port, images_example="127.0.0.1")
    job_id = downloading(ctx, stub, f"http://images.example:{secret.port}/0")
    secret.speak = says(503)
    assert download(ctx, job_id) == 5
    resolve(ctx.http, secret.port, images_example="127.0.0.9")
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
        ("127.0.0.1:{port}", "127.1:{port}", True),
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
) -> None:
    hosts = [each.strip() for each in trusted.format(port=secret.port).split(",")]
    vars(ctx.http)["_guard"] = AddressGuard(hosts)
    job_id = downloading(ctx, stub, f"http://{asked.format(port=secret.port)}/0")
    job = to_the_end(ctx, job_id)
    assert job.state is (State.SUCCEEDED if opened else State.UNSAVED)
    assert len(secret.asked) == opened
