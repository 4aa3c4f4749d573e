"""The examples for nginx and Caddy, checked by both; nginx in front of the real servers."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from imagequeue.config.settings import Settings, read_settings
from imagequeue.jobs.tokens import build_callback_url
from imagequeue.producer.api.application import create_app
from imagequeue.producer.api.form import MAX_FORM_BYTES
from imagequeue.producer.local.ports import free_port
from imagequeue.worker.context import Context
from imagequeue.worker.receiver.application import MAX_BODY_BYTES
from imagequeue.worker.receiver.application import create_app as create_receiver
from support.asgi import serving
from support.callbacks import waiting_job
from support.paths import ROOT
from support.processes import eventually, find_command, running
from support.tls import certify

NGINX = (ROOT / "deploy" / "nginx" / "imagequeue.conf").read_text()
CADDYFILE = ROOT / "deploy" / "caddy" / "Caddyfile"
KEY = {"Authorization": "Bearer a key of a client"}
NGINX_HEAD = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    {paths}
    include {folder}/imagequeue.conf;
}}
"""
PATHS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
CADDY_HEAD = """\
{
	admin off
	auto_https disable_redirects
}
"""


class Proxy(NamedTuple):
    """Requests through a proxy, to its public and to its private server."""

    public: str
    private: str
    session: requests.Session


class Places(NamedTuple):
    """Where the servers and the proxy of a test listen; a port is `host:port`."""

    public: str
    private: str
    api: str
    receiver: str
    away: str
    certificate: str


def replace_all(text: str, places: dict[str, str]) -> str:
    for example, own in places.items():
        assert example in text
        text = text.replace(example, own)
    return text


def prepare_nginx(at: Places, folder: Path) -> list[str]:
    """Write its files; return the command."""
    config = replace_all(
        NGINX,
        {
            "listen 443": f"listen {at.public}",
            "127.0.0.1:8443": at.private,
            "server 127.0.0.1:8000;": f"server {at.away}; server {at.api};",
            "server 127.0.0.1:8001;": f"server {at.away}; server {at.receiver};",
            "/etc/ssl/imagequeue/fullchain.pem": at.certificate,
            "/etc/ssl/imagequeue/privkey.pem": at.certificate,
        },
    )
    paths = "".join(f"{name}_temp_path {folder}/{name};" for name in PATHS)
    (folder / "imagequeue.conf").write_text(config)
    (folder / "nginx.conf").write_text(NGINX_HEAD.format(folder=folder, paths=paths))
    command = [find_command("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True)
    assert tested.returncode == 0, tested.stderr
    return command


def prepare_caddy(at: Places, folder: Path) -> list[str]:
    """Write its file; return the command."""
    tls = f"tls {at.certificate} {at.certificate}"
    config = replace_all(
        CADDYFILE.read_text(),
        {
            "callbacks.example.com {": f"https://{at.public} {{\n\t{tls}",
            "images.example.internal:8443": f"https://{at.private}",
            "tls internal": tls,
            "reverse_proxy 127.0.0.1:8000": f"reverse_proxy {at.away} {at.api}",
            "reverse_proxy 127.0.0.1:8001": f"reverse_proxy {at.away} {at.receiver}",
        },
    )
    (folder / "Caddyfile").write_text(CADDY_HEAD + config)
    config_file = str(folder / "Caddyfile")
    return [find_command("caddy"), "run", "--adapter", "caddyfile", "--config", config_file]


@pytest.fixture
def overrides(overrides: dict[str, str]) -> dict[str, str]:
    return {**overrides, "api_keys": KEY["Authorization"].removeprefix("Bearer ")}


@pytest.fixture(params=[prepare_nginx, prepare_caddy], ids=["nginx", "caddy"])
def proxy(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> Iterator[Proxy]:
    """A proxy in front of the servers of two hosts, one of which is away."""
    certify(tmp_path)
    with (
        serving(create_app(settings), timeout_graceful_shutdown=1) as api,
        serving(create_receiver(settings)) as receiver,
    ):
        at = Places(
            *(f"127.0.0.1:{free_port()}" for _ in ("public", "private")),
            *(url.removeprefix("http://") for url in (api, receiver)),
            away=f"127.0.0.1:{free_port()}",
            certificate=str(tmp_path / "host.pem"),
        )
        command = request.param(at, tmp_path)
        with running(command, {"HOME": str(tmp_path)}, tmp_path), requests.Session() as session:
            # A certificate authority of the environment would win over `verify`.
            session.trust_env, session.verify = False, at.certificate
            proxy = Proxy(f"https://{at.public}", f"https://{at.private}", session)
            eventually(lambda: is_up(proxy))
            yield proxy


def is_up(at: Proxy) -> bool:
    """Return whether ten requests in a row reach each server, none the host that is away."""
    try:
        for url, status in ((f"{at.public}/callbacks/none", 404), (f"{at.private}/v1/jobs", 401)):
            answers = (at.session.post(url, data=b"{}", timeout=30) for _ in range(10))
            if not all(answer.status_code == status for answer in answers):
                return False
    except requests.ConnectionError:
        return False
    return True


def test_proxy_leads_callbacks_to_the_receiver_and_clients_to_the_api(
    proxy: Proxy, ctx: Context, settings: Settings
) -> None:
    public, private, session = proxy
    job = ctx.store.get(waiting_job(ctx))
    url = build_callback_url(public, settings.signing_secrets, job.provider, job.id)
    assert session.post(url, data=b"{}", timeout=30).status_code == 200
    assert session.post(url, data=bytes(MAX_BODY_BYTES + 1), timeout=30).status_code == 413

    for path in ("v1/jobs", "metrics", "", "healthz", "docs"):
        assert session.get(f"{public}/{path}", headers=KEY, timeout=30).status_code == 404
    assert session.get(f"{private}/v1/jobs", timeout=30).status_code == 401
    assert session.get(f"{private}/v1/jobs", headers=KEY, timeout=30).status_code == 200

    with session.get(
        f"{private}/v1/jobs/{job.id}/events", headers=KEY, stream=True, timeout=30
    ) as stream:
        lines = stream.iter_lines(chunk_size=1)
        events = (json.loads(line[6:]) for line in lines if line.startswith(b"data: "))
        assert next(events)["state"] == "waiting"
        session.post(f"{private}/v1/jobs/{job.id}/cancel", headers=KEY, timeout=30)
        assert next(events)["state"] == "cancelled"


def test_bodies_may_be_as_large_as_the_servers_allow() -> None:
    units = {"k": 1024, "m": 1024**2}
    sizes = [
        int(n) * units[unit] for n, unit in re.findall(r"client_max_body_size (\d+)(.);", NGINX)
    ]
    assert sizes == [MAX_BODY_BYTES, MAX_FORM_BYTES]
    # Caddy leaves it to the servers.
    assert "max_size" not in CADDYFILE.read_text()


def test_servers_learn_who_asks() -> None:
    """Without these headers, a client would look like a program of the proxy's machine."""
    for header in ("X-Forwarded-For $remote_addr", "X-Forwarded-Proto $scheme"):
        assert NGINX.count(f"proxy_set_header {header};") == NGINX.count("proxy_pass ")


def test_nginx_waits_as_long_as_a_request_may() -> None:
    (timeout_s,) = re.findall(r"proxy_read_timeout (\d+)s;", NGINX)
    assert int(timeout_s) > read_settings(redis_url="redis://localhost").images_wait_s


def test_caddyfile_is_valid_and_formatted(tmp_path: Path) -> None:
    caddy = find_command("caddy")
    # It makes its own authority below this folder.
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    for arguments in (("validate", "--adapter", "caddyfile", "--config"), ("fmt",)):
        done = subprocess.run(
            [caddy, *arguments, str(CADDYFILE)], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout == CADDYFILE.read_text()
