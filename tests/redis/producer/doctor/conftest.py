"""Runs `imagequeue doctor`, and checks that no output has a secret."""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from imagequeue.config.queues import Queue
from imagequeue.config.redis import connect
from imagequeue.config.settings import read_settings
from imagequeue.producer.doctor import redis_checks
from imagequeue.store.deployment.processes import Heartbeat, ProcessKind
from imagequeue.worker.receiver.application import create_app
from support.asgi import serving
from support.cli import imagequeue
from support.doctor import Doctor, Overrides, Report

SECRETS = ("a secret of the tests", "a kie key", "an acedata key", "hunter2", "whsec_")


@pytest.fixture
def overrides(overrides: Overrides, sandbox_url: str) -> Overrides:
    return {**overrides, "kie_base_url": sandbox_url}


@pytest.fixture
def doctor(overrides: Overrides, monkeypatch: pytest.MonkeyPatch) -> Doctor:
    # The load of the test machine must not fail any test but the one about latency.
    monkeypatch.setattr(redis_checks, "SLOW_MS", math.inf)

    def run(**changed: str) -> Report:
        ran = imagequeue("doctor", "--json", settings={**overrides, **changed})
        found = json.loads(ran.out)
        failed = {each["what"]: each["detail"] for each in found if not each["ok"]}
        ok = {each["what"]: each["detail"] for each in found if each["ok"]}
        assert not [secret for secret in SECRETS if secret in ran.out + ran.err]
        assert bool(failed) is bool(ran.status)
        return Report(ran.status, failed, ok)

    return run


@pytest.fixture
def receiving(overrides: Overrides) -> Iterator[Callable[..., str]]:
    """Start a receiver with changed settings, beside a worker; return its URL."""
    settings = read_settings(**overrides)
    with ExitStack() as stack:
        client = stack.enter_context(connect(settings))
        Heartbeat(client, settings, ProcessKind.WORKER).beat(Queue)
        yield lambda **changed: stack.enter_context(
            serving(create_app(read_settings(**{**overrides, **changed})))
        )
