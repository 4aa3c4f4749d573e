"""Faults that hit a running system at random, from a seed."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime

import redis
import requests

from benchmarks.system import System
from imagequeue.config.redis import open_client

# The rates of the sandbox's own faults, during the whole run.
SANDBOX_FAULTS = {
    "answer_lost": 0.05,
    "busy_429": 0.05,
    "busy_503": 0.02,
    "callback_lost": 0.2,
    "callback_doubled": 0.3,
    "callback_delayed": 0.1,
    "callback_early": 0.1,
    "file_cut": 0.05,
    "file_error": 0.05,
}
BURST = {"busy_429": 0.6, "busy_503": 0.3}
PAUSE_S = (0.4, 2.0)
# Several hosts take longer to recover, and share the processors of one.
PAUSE_OF_HOSTS_S = (2.0, 6.0)
# Up to twice the lease of the run: other workers take over the jobs of some stopped workers.
FREEZE_S = (0.5, 6.0)


class Faults(threading.Thread):
    """Causes faults until stopped; `kills` are the times at which a process was killed."""

    def __init__(
        self,
        system: System,
        seed: int,
        pause_s: tuple[float, float] = PAUSE_S,
        *,
        kills_redis: bool = True,
    ) -> None:
        super().__init__(daemon=True)
        self._pause_s = pause_s
        self._kills_redis = kills_redis
        self._system = system
        self._random = random.Random(seed)
        self._over = threading.Event()
        self.struck: Counter[str] = Counter()
        self.kills: list[datetime] = []
        self.error: BaseException | None = None

    def stop(self) -> None:
        """Stop; raises the error that a fault itself ran into, if any."""
        self._over.set()
        if self.is_alive():
            self.join()
        if self.error:
            raise self.error

    def run(self) -> None:
        """Cause one fault after another, with pauses."""
        faults = [
            self.kill_worker,
            self.kill_receiver,
            self.freeze_worker,
            self.restart_worker,
            *([self.kill_redis] if self._kills_redis else ()),
            self.kill_connections,
            self.refuse_in_a_burst,
            *([self.kill_api] if "api" in self._system.commands else ()),
        ]
        try:
            while not self._over.wait(self._random.uniform(*self._pause_s)):
                self._system.revive()
                # A RabbitMQ takes many seconds to start: meanwhile the other faults go on.
                broker = self._system.broker
                can_kill = [self.kill_broker] if broker and broker.answers() else []
                fault = self._random.choice([*faults, *can_kill])
                fault()
                self.struck[fault.__name__] += 1
        except BaseException as error:
            self.error = error

    def kill_worker(self) -> None:
        """SIGKILL a worker at any point of its work, and start it again."""
        self._kill(self._random.choice(self._system.workers))

    def kill_receiver(self) -> None:
        """SIGKILL the receiver, and start it again."""
        self._kill("receiver")

    def kill_api(self) -> None:
        """SIGKILL the API, and start it again."""
        self._kill("api")

    def _kill(self, name: str) -> None:
        self._system.kill(name)
        self.kills.append(datetime.now(UTC))
        self._system.start(name)

    def freeze_worker(self) -> None:
        """SIGSTOP a worker, sometimes for longer than its lease, then SIGCONT."""
        name = self._random.choice(self._system.workers)
        self._system.signal(name, signal.SIGSTOP)
        time.sleep(self._random.uniform(*FREEZE_S))
        self._system.signal(name, signal.SIGCONT)

    def restart_worker(self) -> None:
        """SIGTERM a worker, as a rolling deployment does, and start it again."""
        name = self._random.choice(self._system.workers)
        self._system.terminate(name)
        self._system.start(name)

    def kill_redis(self) -> None:
        """SIGKILL Redis, and start it again from its append-only file."""
        self.kills.append(datetime.now(UTC))
        self._system.restart_redis()

    def kill_broker(self) -> None:
        """SIGKILL the broker, and start it again without waiting for it."""
        if broker := self._system.broker:
            broker.kill()
            broker.launch()

    def kill_connections(self) -> None:
        """Cut every connection to Redis at once."""
        url = self._system.redis.url
        # Its host may be cut off.
        with suppress(redis.RedisError), open_client(url, socket_timeout=5) as client:
            client.client_kill_filter(_type="normal", skipme=True)
            client.client_kill_filter(_type="pubsub")

    def refuse_in_a_burst(self) -> None:
        """Make the providers refuse most submissions for a second."""
        url = f"{self._system.sandbox_url}/sandbox/faults"
        requests.put(url, json=BURST, timeout=10).raise_for_status()
        time.sleep(1)
        requests.put(url, json={name: SANDBOX_FAULTS[name] for name in BURST}, timeout=10)
