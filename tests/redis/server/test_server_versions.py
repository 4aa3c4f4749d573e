"""Each Redis and Valkey that this machine has: it runs every script, from a request to an image."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import redis

from imagequeue.config.durability import WAITAOF_SINCE, Durability, get_durability, parse_version
from imagequeue.config.queues import Queue
from imagequeue.config.redis import check_server, name_server
from imagequeue.jobs.job import State
from imagequeue.producer.client import LocalClient
from imagequeue.store.scripts import FOLDER
from imagequeue.worker.callback import read_callbacks
from imagequeue.worker.context import Context
from imagequeue.worker.download import download
from imagequeue.worker.submit import submit
from support.clock import Clock
from support.hostile import picture
from support.jobs import KIE_ACCEPTED, kie_callback, queued
from support.processes import eventually
from support.redis import find_servers
from support.stub import Stub
from support.worker.callbacks import arrive


@pytest.fixture(scope="module", params=find_servers())
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder: Path = tmp_path_factory.mktemp("server")
    socket = folder / "s"
    listen = ["--port", "0", "--unixsocket", str(socket), "--dir", str(folder), "--save", ""]
    command = [request.param, *listen, "--appendonly", "yes", "--appendfsync", "everysec"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as server:
        eventually(socket.exists)
        yield f"unix://{socket}"
        server.kill()


@pytest.fixture
def redis_url(server: str) -> str:
    with redis.Redis.from_url(server) as client:
        client.flushall()
        client.config_resetstat()
    return server


@pytest.fixture
def overrides(overrides: dict[str, str], stub: Stub) -> dict[str, str]:
    hosts = stub.url.removeprefix("http://")
    public = {"public_url": "https://example.com", "webhook_secret": "whsec_" + "a" * 32}
    return {**overrides, **public, "kie_base_url": stub.url, "download_trusted_hosts": hosts}


def test_a_job_runs_from_its_request_to_its_image(ctx: Context, stub: Stub, clock: Clock) -> None:
    job_id = queued(ctx)
    assert ctx.dispatcher.sweep(Queue.SUBMIT, ctx.now()).dispatched == [job_id]
    stub.answer = lambda *_: KIE_ACCEPTED
    submit(ctx, job_id)
    assert ctx.submits.get_permit(job_id, ctx.now())
    clock.advance(3600)
    assert ctx.dispatcher.sweep(Queue.POLL, ctx.now()).dispatched == [job_id]
    arrive(ctx, job_id, kie_callback(f"{stub.url}/0.png"))
    assert ctx.starts.start(job_id, Queue.CALLBACK) == 1
    read_callbacks(ctx, job_id)
    assert ctx.dispatcher.take_next(Queue.CALLBACK, ctx.now(), job_id) is None
    stub.answer = lambda *_: (200, picture())
    download(ctx, job_id)
    job = ctx.store.get(job_id)
    assert (job.state, job.images[0].state) == (State.SUCCEEDED, "stored")
    client = LocalClient(ctx.settings)
    assert [each.id for each in client.list(state=State.SUCCEEDED).jobs] == [job_id]
    assert client.submit("kie-flux-kontext", "a cat", reuse="1h").state is State.QUEUED


def test_the_intent_to_pay_waits_for_the_disk_where_the_server_can(
    ctx: Context, stub: Stub
) -> None:
    client = ctx.store.redis
    can_wait = parse_version(client.info("server")["redis_version"]) >= WAITAOF_SINCE
    weak = Durability.WAITAOF if can_wait else Durability.EVERY_SECOND
    assert get_durability(client) is weak
    stub.answer = lambda *_: KIE_ACCEPTED
    submit(ctx, queued(ctx))
    waits = client.info("commandstats").get("cmdstat_waitaof", {"calls": 0})["calls"]
    assert waits == int(can_wait)


def test_every_script_compiles_and_the_server_is_accepted(ctx: Context) -> None:
    check_server(ctx.store.redis)
    assert name_server(ctx.store.redis).startswith(("Redis ", "Valkey "))
    scripts = [path.read_text() for path in FOLDER.glob("*.lua")]
    assert len({ctx.store.redis.script_load(script) for script in scripts}) == len(scripts) > 20
