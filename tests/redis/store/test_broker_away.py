"""A broker that is away: jobs are stored all the same, and one thread at a time asks it again."""

import socket

import pytest

from imagequeue.config.celery import make_celery
from imagequeue.config.queues import Queue
from imagequeue.config.redis import connect
from imagequeue.config.settings import read_settings
from imagequeue.jobs.job import State
from imagequeue.producer.client import LocalClient
from imagequeue.producer.doctor.broker_check import check_broker
from imagequeue.producer.local.ports import free_port
from imagequeue.store.due.dispatcher import open_dispatcher

URLS = {
    "amqp": "amqp://me:hunter2@127.0.0.1:{}/jobs",
    "redis": "redis://me:hunter2@127.0.0.1:{}/0",
}


@pytest.mark.parametrize("url", URLS.values(), ids=URLS)
def test_job_is_stored_without_the_broker(
    overrides: dict[str, str], url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = read_settings(**overrides, broker_url=url.format(free_port()))
    client = LocalClient(settings)
    job = client.submit("kie-flux-kontext", "a cat")
    assert client.get(job.id).state is State.QUEUED
    with pytest.raises(Exception, match="the broker does not answer") as raised:
        check_broker(settings)
    assert "IMAGEQUEUE_BROKER_URL" in str(raised.value)
    assert "hunter2" not in str(raised.value) + "".join(capfd.readouterr())


@pytest.mark.parametrize("url", URLS.values(), ids=URLS)
def test_only_one_thread_waits_for_a_silent_broker(overrides: dict[str, str], url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        port = silent.getsockname()[1]
        settings = read_settings(**overrides, broker_url=url.format(port))
        with make_celery(settings) as celery:
            dispatcher = open_dispatcher(settings, connect(settings), celery)
            count_connections(silent)
            assert not dispatcher.has_normal_messages(Queue.DOWNLOAD)
            assert count_connections(silent)
            for _ in range(3):
                assert not dispatcher.has_normal_messages(Queue.DOWNLOAD)
            assert not count_connections(silent)


def count_connections(server: socket.socket) -> int:
    """Count what has connected since the last call, and hang up."""
    count = 0
    while True:
        try:
            connection, _ = server.accept()
        except BlockingIOError:
            return count
        connection.close()
        count += 1
