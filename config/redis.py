"""The connection to Redis, and what this queue demands of the server behind it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import redis
import redis.asyncio
from hiredis import pack_command
from redis import exceptions
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.commands.core import Script
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.retry import Retry

from ..errors import ConfigError, RedisUnavailableError
from .settings import PREFIX, Settings

ADDRESS_FILE = "address"
RETRIES = 6
BRIEF_S = 1.5
WAITAOF_SINCE = (7, 2)


def embedded_folder(settings: Settings) -> Path:
    """Where the embedded Redis of `imagequeue up` keeps its data, and its address while it runs."""
    return settings.data_dir.resolve() / "redis"


def redis_url(settings: Settings) -> str:
    """The address of the Redis that holds the jobs."""
    if settings.redis_url:
        return settings.redis_url
    address = embedded_folder(settings) / ADDRESS_FILE
    try:
        return address.read_text().strip()
    except FileNotFoundError:
        raise ConfigError(
            f"no Redis: set {PREFIX}REDIS_URL, or run `imagequeue up` with the data folder "
            f"{settings.data_dir}"
        ) from None


def connect(settings: Settings, *, kept: bool = False) -> redis.Redis:
    """A client with timeouts on everything; raises one clear error if the server is unfit.

    Where the same threads ask all day long, each should keep its connection.
    """
    client = _client(redis_url(settings), kept=kept)
    check_server(client)
    return client


def broker(settings: Settings, client: redis.Redis) -> redis.Redis:
    """A client for the Redis that holds the queues: most often `client` itself."""
    return _client(settings.broker_url, kept=True) if settings.broker_url else client


def _client(url: str, *, kept: bool) -> redis.Redis:
    # A socket file has no network under it that keepalive could probe.
    keepalive = {} if url.startswith("unix://") else {"socket_keepalive": True}
    client, pool = (KeptClient, KeptConnections) if kept else (redis.Redis, redis.ConnectionPool)
    return client.from_pool(
        pool.from_url(
            url,
            socket_timeout=15,
            socket_connect_timeout=5,
            health_check_interval=30,
            # A restart of Redis takes about a second. Every script here may run twice.
            retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=1.0), RETRIES),
            **keepalive,
        )
    )


class KeptConnections(redis.ConnectionPool):
    """A connection a thread, kept until the thread ends.

    To find one for each command, to see whether it still lives and to put it back costs as much as
    the command. One that has died meanwhile is found by the command, and by its retry.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._kept = threading.local()

    def get_connection(self, *_: Any, **__: Any) -> Any:
        """This thread's connection."""
        connection = getattr(self._kept, "connection", None)
        if connection is None:
            connection = self._kept.connection = self.make_connection()
        return connection

    def release(self, connection: Any) -> None:
        """Nothing: it is asked for again in a moment."""


class ScriptCall(NamedTuple):
    """A script, and what it is to be run with."""

    script: Script
    keys: Sequence[Any]
    args: Sequence[Any]

    def packed(self) -> bytes:
        """The command as it is sent."""
        command = ("EVALSHA", self.script.sha, len(self.keys), *self.keys, *self.args)
        packed: bytes = pack_command(command)
        return packed


def run_together(calls: Sequence[ScriptCall]) -> list[Any]:
    """Run scripts of one client in turn; one that keeps its connections sends them in one piece.

    Returns their answers, an error that is one among them; see `checked`. Not all or nothing: each
    of them is a step of its own. Each may run twice.
    """
    if not calls:
        return []
    client = calls[0].script.registered_client
    if isinstance(client, KeptClient):
        return client.run_together(calls)
    return [_run(call) for call in calls]


def checked(answer: Any) -> Any:
    """The answer of a script; raises it if it is an error."""
    if isinstance(answer, ResponseError):
        raise answer
    return answer


def _run(call: ScriptCall) -> Any:
    """One script the usual way, which serves pools, pipelines and tracing, and costs more."""
    try:
        return Script.__call__(call.script, call.keys, call.args)
    except ResponseError as error:
        return error


class KeptClient(redis.Redis):
    """A client over kept connections, whose scripts have a shorter way than other commands."""

    def register_script(self, script: Any) -> Any:
        """The script, to be called with `keys` and `args`."""
        return _KeptScript(self, script)

    def run_together(self, calls: Sequence[ScriptCall]) -> list[Any]:
        """Run scripts in turn, sent in one piece; see the function of this name."""
        connection: Any = self.connection_pool.get_connection()
        try:
            connection.send_packed_command([b"".join([call.packed() for call in calls])])
            answers = [_read(connection) for _ in calls]
        except (exceptions.ConnectionError, exceptions.TimeoutError):
            return [_run(call) for call in calls]
        for at, answer in enumerate(answers):
            if isinstance(answer, NoScriptError):  # a server that was restarted
                answers[at] = _run(calls[at])
        return answers


def _read(connection: Any) -> Any:
    """The next answer; an error is one, too: what is not read would be taken for another's."""
    try:
        return connection.read_response()
    except ResponseError as error:
        return error


class _KeptScript(Script):
    def __call__(self, keys: Any = (), args: Any = (), client: Any = None) -> Any:
        if client is None:
            (answer,) = run_together([ScriptCall(self, keys, args)])
            return checked(answer)
        return super().__call__(keys, args, client)


def connect_briefly(settings: Settings) -> redis.asyncio.Redis:
    """A client for those whose own caller waits: an answer within seconds, or an error."""
    return redis.asyncio.Redis.from_url(
        redis_url(settings),
        socket_timeout=BRIEF_S,
        socket_connect_timeout=BRIEF_S,
        # IdempotencyKey more, for a connection that was cut while it was idle.
        retry=AsyncRetry(NoBackoff(), 1),
    )


def check_server(client: redis.Redis) -> None:
    """Refuse a Redis that is away or may evict: an evicted record is a job lost and paid for."""
    try:
        policy = client.info("memory")["maxmemory_policy"]
    except RedisError as error:
        raise unavailable(error) from error
    if get_durability(client) is Durability.NONE:
        raise ConfigError(f"this Redis keeps {Durability.NONE}; {REMEDY}")
    if policy != "noeviction":
        raise ConfigError(
            f"this Redis may evict jobs (maxmemory-policy {policy}): "
            "set `maxmemory-policy noeviction` in its configuration"
        )


REMEDY = "set `appendonly yes` and `appendfsync always`, or use Redis 7.2 or newer"


class Durability(StrEnum):
    """What a Redis promises about a write that it has answered."""

    ALWAYS = "every answered write is on disk (appendfsync always)"
    WAITAOF = "an intent to pay is on disk before the request is sent (WAITAOF)"
    EVERY_SECOND = "writes survive a killed Redis, but a power cut may take the last second"
    NONE = "jobs in memory alone: a restart loses what was paid for"


def get_durability(client: redis.Redis) -> Durability:
    """What this server really promises, by its configuration and version."""
    if not client.info("persistence")["aof_enabled"]:
        return Durability.NONE
    try:
        policy = client.config_get("appendfsync").get("appendfsync")
    except ResponseError:
        # A hosted Redis may keep its configuration to itself: the weaker promise is assumed.
        policy = None
    if policy == "always":
        return Durability.ALWAYS
    version = tuple(int(part) for part in client.info("server")["redis_version"].split("."))
    return Durability.WAITAOF if version >= WAITAOF_SINCE else Durability.EVERY_SECOND


def unavailable(error: RedisError) -> RedisUnavailableError:
    """The error a caller sees for Redis's own, with what to look at."""
    return RedisUnavailableError(
        f"Redis does not answer ({error}): check {PREFIX}REDIS_URL and that the server runs"
    )
