"""The check of the broker, which carries Celery's messages."""

from __future__ import annotations

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from ...config.celery import make_celery
from ...config.settings import PREFIX, Settings
from ...errors import ImageQueueError
from ...store.broker import open_queues
from .redis_checks import connect


def check_broker(settings: Settings) -> str:
    """Check that the broker answers, and name it."""
    with connect(settings) as client, make_celery(settings) as celery:
        if not settings.broker_url:
            client.ping()
            return "the Redis of the jobs"
        try:
            return f"{open_queues(settings, client, celery).describe()} answers"
        except (OperationalError, RedisError) as error:
            raise ImageQueueError(
                f"the broker does not answer ({error}): check {PREFIX}BROKER_URL and that the "
                "server runs; jobs are accepted, and sent once it answers"
            ) from error
