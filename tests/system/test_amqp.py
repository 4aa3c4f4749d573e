"""RabbitMQ as the broker: it may die at any time, and no job is lost or paid twice."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from kombu import pools

from benchmarks.servers.rabbitmq import RabbitMQ, is_installed
from benchmarks.system import BIN
from imagequeue.config.celery import make_celery
from imagequeue.config.queues import Queue
from imagequeue.config.redis import connect
from imagequeue.config.settings import read_settings
from imagequeue.errors import ImageQueueError
from imagequeue.jobs.job import State
from imagequeue.producer.client import LocalClient
from imagequeue.producer.doctor.broker_check import check_broker
from imagequeue.producer.local.ports import free_port
from imagequeue.store.due.dispatcher import Dispatcher, open_dispatcher
from imagequeue.store.due.wakeups import Priority
from support.forked_system import ForkedSystem
from support.processes import answers, eventually
from support.tls import certify

# RabbitMQ starts twice here: seconds each on an idle machine, a minute and more on a busy one.
pytestmark = pytest.mark.timeout(480)
SETTINGS = {
    "lease_s": "3",
    "sweep_every_s": "0.2",
    "poll_countdowns": "0.5,0.5",
    "poll_tail_s": "0.5",
    "check_input_images": "false",
}
JOBS = 30


class ApiSystem(ForkedSystem):
    api_url: str


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rabbitmq")
    certify(folder)
    return folder / "host.pem"


@pytest.fixture(scope="module")
def rabbitmq(certificate: Path) -> Iterator[RabbitMQ]:
    if not is_installed():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("apt-get install rabbitmq-server")
    server = RabbitMQ(certificate.parent / "server", certificate=certificate)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def system(rabbitmq: RabbitMQ, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiSystem]:
    """Workers, a receiver, a sandbox and the API, with their messages in RabbitMQ."""
    folder = tmp_path_factory.mktemp("system")
    system = ApiSystem(folder, SETTINGS, ("--kie-limit", "0", "--latency", "0.2"), broker=rabbitmq)
    port = free_port()
    system.api_url = f"http://127.0.0.1:{port}"
    api = (str(BIN / "uvicorn"), "imagequeue.producer.api:app", "--port", str(port))
    system.commands["api"] = [*api]
    try:
        system.start_all()
        eventually(lambda: answers(f"{system.api_url}/healthz"), 60)
        yield system
    finally:
        system.stop()


@pytest.fixture
def dispatcher(rabbitmq: RabbitMQ, overrides: dict[str, str]) -> Iterator[Dispatcher]:
    settings = read_settings(**overrides, broker_url=rabbitmq.url)
    with make_celery(settings) as celery:
        yield open_dispatcher(settings, connect(settings), celery)


def test_urgent_downloads_pass_patient_ones(dispatcher: Dispatcher) -> None:
    celery = dispatcher._celery
    low, normal = Priority.LOW, Priority.NORMAL
    assert not dispatcher.has_normal_messages(Queue.DOWNLOAD)
    for number, priority in enumerate((low, low, normal, low, normal)):
        dispatcher._send(Queue.DOWNLOAD, {f"job_{number}": priority})
    eventually(lambda: dispatcher._count(Queue.DOWNLOAD) == {(Queue.DOWNLOAD, normal): 5})
    assert dispatcher.has_normal_messages(Queue.DOWNLOAD)
    with celery.connection() as connection:
        messages = connection.SimpleQueue(celery.amqp.queues[Queue.DOWNLOAD])
        order = [messages.get(timeout=30) for _ in range(5)]
        for message in order:
            message.ack()
        messages.close()
    numbers = [message.headers["id"].removesuffix(".download") for message in order]
    assert numbers == ["job_2", "job_4", "job_0", "job_1", "job_3"]


def test_each_queue_is_bound_by_its_own_name(dispatcher: Dispatcher) -> None:
    celery = dispatcher._celery
    with celery.connection() as connection, connection.channel() as channel:
        bound = [queue(channel) for queue in celery.amqp.queues.values()]
        for queue in bound:
            queue.declare()
        connection.Producer(channel).publish("a message", "notify", exchange="imagequeue")
        eventually(lambda: bound[-1].queue_declare(passive=True).message_count == 1)
        assert [each.queue_declare(passive=True).message_count for each in bound] == [0, 0, 0, 0, 1]
        bound[-1].purge()


def test_doctor_names_the_broker(rabbitmq: RabbitMQ, overrides: dict[str, str]) -> None:
    assert check_broker(read_settings(**overrides, broker_url=rabbitmq.url)).startswith("RabbitMQ ")
    wrong = rabbitmq.url.replace("s%2Ft%40x", "hunter2")
    with pytest.raises(ImageQueueError, match="ACCESS_REFUSED") as raised:
        check_broker(read_settings(**overrides, broker_url=wrong))
    assert "hunter2" not in str(raised.value)


def test_only_a_broker_with_a_trusted_certificate_is_used(
    rabbitmq: RabbitMQ, overrides: dict[str, str], certificate: Path
) -> None:
    trusting = f"{rabbitmq.tls_url}?ssl_ca_certs={certificate}"
    assert check_broker(read_settings(**overrides, broker_url=trusting)).startswith("RabbitMQ ")
    # The same address under a name that the certificate does not have; kombu replaces localhost.
    for url in (rabbitmq.tls_url, trusting.replace("127.0.0.1", "127.1")):
        pools.reset()  # else a connection of before serves the same address
        with pytest.raises(ImageQueueError, match="CERTIFICATE"):
            check_broker(read_settings(**overrides, broker_url=url))


def test_killed_broker_delays_jobs_and_loses_none(system: ApiSystem, rabbitmq: RabbitMQ) -> None:
    client = LocalClient(system.settings)
    for number in range(JOBS):
        client.submit("kie-flux-kontext", f"image {number}")
    eventually(lambda: client.counts()[State.SUCCEEDED], 60)
    rabbitmq.kill()
    # The client's timeout is the bound: each job is stored, and answered, without the broker.
    for number in range(JOBS, 2 * JOBS):
        request = {"provider": "kie-flux-kontext", "prompt": f"image {number}"}
        answer = requests.post(f"{system.api_url}/v1/jobs", json=request, timeout=5)
        assert answer.status_code == 202
    rabbitmq.start()
    eventually(lambda: client.counts()[State.SUCCEEDED] == 2 * JOBS, 120)
    sold = Counter(json.loads(line)["prompt"] for line in system.accepted.read_text().splitlines())
    assert sold == Counter(f"image {number}" for number in range(2 * JOBS))

    # Each worker connects again when it finds out: one may have done all the work before.
    def count_workers() -> int:
        with make_celery(system.settings) as celery, celery.connection() as connection:
            return len(celery.control.ping(timeout=5, limit=2, connection=connection))

    eventually(lambda: count_workers() == 2, 120)
