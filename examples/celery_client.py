"""A Celery program without this package: it names the task, and a worker of the queue runs it.

The broker is CELERY_BROKER_URL, or the Redis that `imagequeue up` embeds. That one listens on a
socket, whose address is in a file: unix:///folder/data/redis/redis.sock.
"""

import os
import sys
from pathlib import Path

from celery import Celery


def broker_url() -> str:
    if url := os.environ.get("CELERY_BROKER_URL"):
        return url
    address = Path(os.environ.get("DATA_DIR", "data"), "redis", "address").read_text().strip()
    # Celery has another scheme for a socket.
    return address.replace("unix://", "redis+socket://", 1)


order = sys.argv[1] if len(sys.argv) > 1 else "7"
app = Celery("shop", broker=broker_url())
# Set no priority: from 3 on, Celery puts the message into a list that these workers do not read.
message = app.send_task(
    "imagequeue.create",
    kwargs={
        "provider": "acedata-flux",
        "prompt": "a lighthouse in a storm, oil on canvas",
        "metadata": {"order": order},  # yours: returned with the job and its webhook
        "submitted_by": "shop",
    },
    queue="submit",
    task_id=f"order-{order}",  # sent twice with the same id, it is one job
)
print(message.id)
