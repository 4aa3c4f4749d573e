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
MAIN = """\
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


class Proxy(NamedTuple):
    """Requests through nginx, to its public and to its private server."""

    public: str
    private: str
    session: requests.Session


@pytest.fixture
def overrides(overrides: dict[str, str]) -> dict[str, str]:
    return {**overrides, "api_keys": KEY["Authorization"].removeprefix("Bearer ")}


@pytest.fixture
def proxy(settings: Settings, tmp_path: Path) -> Iterator[Proxy]:
    certify(tmp_path)
    public, private = free_port(), free_port()
    paths = "".join(f"{name}_temp_path {tmp_path}/{name};" for name in PATHS)
    (tmp_path / "nginx.conf").write_text(MAIN.format(folder=tmp_path, paths=paths))
    nginx = [find_command("nginx"), "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    with (
        serving(create_app(settings), timeout_graceful_shutdown=1) as api,
        serving(create_receiver(settings)) as receiver,
    ):
        places = {
            "listen 443": f"listen 127.0.0.1:{public}",
            "127.0.0.1:8443": f"127.0.0.1:{private}",
            "127.0.0.1:8000": api.removeprefix("http://"),
            "127.0.0.1:8001": receiver.removeprefix("http://"),
            "/etc/ssl/imagequeue/fullchain.pem": str(tmp_path / "host.pem"),
            "/etc/ssl/imagequeue/privkey.pem": str(tmp_path / "host.pem"),
        }
        config = NGINX
        for example, own in places.items():
            assert example in config
            config = config.replace(example, own)
        (tmp_path / "imagequeue.conf").write_text(config)
        tested = subprocess.run([*nginx, "-t"], capture_output=True, text=True)
        assert tested.returncode == 0, tested.stderr
        with running(nginx, {}, tmp_path), requests.Session() as session:
            # A certificate authority of the environment would win over `verify`.
            session.trust_env, session.verify = False, str(tmp_path / "host.pem")
            at = Proxy(f"https://127.0.0.1:{public}", f"https://127.0.0.1:{private}", session)
            eventually(lambda: is_up(at))
            yield at


def is_up(at: Proxy) -> bool:
    try:
        return at.session.get(f"{at.public}/readyz", timeout=30).ok
    except requests.ConnectionError:
        return False


def test_nginx_leads_callbacks_to_the_receiver_and_clients_to_the_api(
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
    caddy = re.findall(r"max_size (\d+)([KM])iB", CADDYFILE.read_text())
    assert [int(n) * units[unit.lower()] for n, unit in caddy] == sizes


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
