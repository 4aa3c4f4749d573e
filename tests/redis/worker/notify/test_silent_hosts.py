"""Silent receivers leave threads for the webhooks of others."""

import threading
from concurrent.futures import ThreadPoolExecutor

from imagequeue.worker.context import Context
from imagequeue.worker.http.address_guard import AddressGuard
from imagequeue.worker.http.client import HttpClient
from imagequeue.worker.notify import MAX_WEBHOOKS_PER_HOST, notify
from support.hostile import hosting
from support.processes import eventually
from support.worker.webhooks import Listener, failed, is_over

THREADS = 16


def test_webhook_passes_those_of_a_silent_host(ctx: Context, listener: Listener) -> None:
    ended = threading.Event()
    with hosting() as slow:
        slow.speak = lambda *_: ended.wait(60)
        vars(ctx)["webhook_http"] = HttpClient(AddressGuard([slow.netloc, listener.netloc]))
        stuck = [failed(ctx, webhook_url=slow.url) for _ in range(THREADS)]
        normal = failed(ctx)
        with ThreadPoolExecutor(THREADS) as threads:
            tries = [threads.submit(notify, ctx, job_id) for job_id in stuck]
            assert threads.submit(notify, ctx, normal).result(timeout=60) is None
            assert is_over(ctx, normal)
            # The others find no slot, and wait for a later try.
            eventually(lambda: sum(not each.done() for each in tries) == MAX_WEBHOOKS_PER_HOST)
            ended.set()
        assert len(slow.asked) == MAX_WEBHOOKS_PER_HOST
