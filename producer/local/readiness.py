"""Which of the processes on this machine do not answer yet."""

from __future__ import annotations

import requests
from amqp.exceptions import AMQPError
from celery import Celery
from celery.utils.nodenames import host_format
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from ...config.settings import PREFIX

# Running workers answer at once; one that is not listening yet never gets this ping.
PING_TIMEOUT_S = 0.5
# Paths that answer without a key, on the processes that listen.
PROBES = {"api": "/readyz", "receiver": "/readyz", "flower": "/healthcheck"}
# The names in the Procfile that are Celery node names too.
WORKERS = frozenset({"worker", "downloader", "notifier"})


def list_silent(urls: dict[str, str], celery: Celery) -> str:
    """Return the names of the servers, or else of the workers, that do not answer; empty for none.

    `urls` has the address of each server by its name in the Procfile.
    """
    return _list_silent_servers(urls) or _list_silent_workers(celery)


def _list_silent_servers(urls: dict[str, str]) -> str:
    return ", ".join(name for name, path in PROBES.items() if not _is_healthy(urls[name] + path))


def _list_silent_workers(celery: Celery) -> str:
    nodes = {host_format(f"{name}@%h"): name for name in WORKERS}
    # With their names given, the wait ends as soon as the last one has answered.
    try:
        replies = celery.control.ping(destination=[*nodes], timeout=PING_TIMEOUT_S)
    except (OperationalError, AMQPError, RedisError, OSError):
        return f"the broker ({PREFIX}BROKER_URL)"
    answered = {node for reply in replies or [] for node in reply}
    return ", ".join(sorted(name for node, name in nodes.items() if node not in answered))


def _is_healthy(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False
