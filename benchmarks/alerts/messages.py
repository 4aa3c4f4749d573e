"""Callbacks that are forged or unsigned, and webhooks that nobody takes."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import requests

from benchmarks.alerts.scenario import Scenario
from benchmarks.alerts.site import Site
from imagequeue.producer.local.ports import LOOPBACK

HMAC_KEY = "IMAGEQUEUE_KIE_WEBHOOK_HMAC_KEY"


def _forge(site: Site) -> None:
    url = f"{site.system.receiver_url}/callbacks/kie-flux-kontext/job_1/token"
    with requests.Session() as session:
        for _ in range(150):
            assert session.post(url, json={}, timeout=10).status_code == 404


def _expect_signatures(site: Site) -> None:
    site.system.terminate("worker-main")
    command = site.system.commands["worker-main"]
    site.system.commands["worker-main"] = ["env", f"{HMAC_KEY}=of another account", *command]
    site.system.start("worker-main")
    site.system.commands["worker-main"] = command
    site.submit(15)


def _replay_callbacks(site: Site) -> None:
    site.run("callbacks", "list")
    site.system.terminate("worker-main")
    site.system.start("worker-main")
    site.run("callbacks", "replay", "--all")


def _submit_with_webhook(site: Site) -> None:
    site.submit(1, webhook_url=f"http://{LOOPBACK}:{site.webhook_port}/hook")


class _Taker(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay silent."""


def _start_webhook_receiver(site: Site) -> None:
    site.run("webhooks", "list")
    server = HTTPServer((LOOPBACK, site.webhook_port), _Taker)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    site.run("webhooks", "replay", "--all")


SCENARIOS = (
    Scenario(
        ("ImagequeueCallbacksRefused",),
        "150 callbacks under forged URLs",
        "`callbacks counts`; the sender was blocked",
        _forge,
        lambda site: site.run("callbacks", "counts"),
    ),
    Scenario(
        ("ImagequeueQuarantineGrowing",),
        "`KIE_WEBHOOK_HMAC_KEY` is that of another account; 15 jobs",
        "`callbacks list`; corrected it; `callbacks replay --all`",
        _expect_signatures,
        _replay_callbacks,
    ),
    Scenario(
        ("ImagequeueWebhooksWaiting", "ImagequeueDeadWebhooks"),
        "a job a second, with webhooks to a port where nobody listens",
        "`webhooks list`; started the receiver; `webhooks replay --all`",
        lambda site: None,
        _start_webhook_receiver,
        _submit_with_webhook,
    ),
)
