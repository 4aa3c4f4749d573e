"""The Celery app of every process: settings under which no job depends on a message."""

from __future__ import annotations

from typing import Any

from celery import Celery
from kombu import Queue as KombuQueue

from .amqp import is_amqp_url, to_celery_config
from .queues import Queue
from .redis import get_redis_url
from .redis_url import to_broker_url
from .sentinel import is_sentinel_url, to_kombu
from .settings import Settings


def make_celery(settings: Settings) -> Celery:
    """Return a Celery app on the broker of `settings`, without tasks."""
    app = Celery("imagequeue")
    app.conf.update(celery_config())
    url = settings.broker_url or get_redis_url(settings)
    if is_amqp_url(url):
        app.conf.update(to_celery_config(url))
    elif is_sentinel_url(url):
        address, transport, tls = to_kombu(url)
        app.conf.update(broker_url=address, broker_use_ssl=tls)
        app.conf.broker_transport_options |= transport
    else:
        app.conf.update(broker_url=to_broker_url(url))
    return app


def celery_config() -> dict[str, Any]:
    """Return Celery's settings; each keeps a lost, duplicate or late message harmless."""
    return {
        # Messages go through the exchange without a name: any other loses restored ones. For those
        # who send by this name, each queue is bound by its own.
        "task_default_exchange": "imagequeue",
        # Redis needs no declaration of the two priorities that downloads have; AMQP does.
        "task_queues": [
            KombuQueue(
                queue, routing_key=queue, max_priority=1 if queue is Queue.DOWNLOAD else None
            )
            for queue in Queue
        ],
        "task_default_queue": Queue.SUBMIT,
        "task_create_missing_queues": False,
        # Acknowledged late: a message survives most crashes; the due set covers the rest.
        "task_acks_late": True,
        "worker_prefetch_multiplier": 1,
        # Never rerun or kill a task that may be in the middle of a paid request.
        "task_reject_on_worker_lost": False,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        # The job's record is the result.
        "task_ignore_result": True,
        "task_serializer": "json",
        "accept_content": ["json"],
        "worker_hijack_root_logger": False,
        # Never give up on a broker that does not answer.
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # A Redis that a failover has demoted refuses BRPOP: connect again instead of exiting.
        "broker_channel_error_retry": True,
        "broker_transport_options": {
            # Short, because no message waits: countdowns are in the due set.
            "visibility_timeout": 300,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "socket_timeout": 15,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            # A worker notices within twice this and a second that its Redis's host is gone.
            "health_check_interval": 5,
            # Two priorities: downloads whose URLs live long let the others pass.
            "priority_steps": [0, 1],
        },
        # Flower lists tasks from these events.
        "worker_send_task_events": True,
        "task_send_sent_event": False,
    }
