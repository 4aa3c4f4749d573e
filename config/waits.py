"""The commands that follow an important write until it is as safe as IMAGEQUEUE_DURABILITY says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis

from .durability import Durability, DurabilityPolicy, get_durability
from .replicas import Replicas

REPLICAS_KEY = "iq:replicas"
"""String: the primary's id, and how many replicas it had lately."""

Command = tuple[str | int, ...]


class Waits:
    """Lists the commands, and says whether their answers confirm the write."""

    def __init__(self, client: redis.Redis, policy: DurabilityPolicy, timeout_ms: int) -> None:
        """Ask the server what it guarantees, and which replicas it has."""
        self._durability = get_durability(client)
        self._timeout_ms = timeout_ms
        self._replicas = Replicas() if policy == "replica" else None
        self._record = ""
        if self._replicas:
            self._read_record(client.get(REPLICAS_KEY))
            self._replicas.require(client.info("replication"), self._record)

    def list_commands(self, *, is_intent: bool) -> list[Command]:
        """Return what has to follow the write on its connection: waits for disk and replicas.

        Only an intent to pay waits for the disk: another write that a power cut takes costs no
        money.
        """
        commands: list[Command] = []
        if is_intent and self._durability is Durability.WAITAOF:
            commands.append(("WAITAOF", 1, 0, self._timeout_ms))
        if self._replicas:
            commands.append(("WAIT", self._replicas.count, self._timeout_ms))
            commands += [("INFO", "replication"), ("GET", REPLICAS_KEY)]
        return commands

    def are_confirmed(self, answers: Sequence[Any]) -> bool:
        """Whether each of several waits ended before its timeout."""
        if self._replicas:
            *answers, confirmed, replication, record = answers
            self._read_record(record)
            if confirmed < self._replicas.require(replication, self._record):
                return False
        # WAITAOF answers with two numbers: of this server, and of replicas.
        return all(local >= 1 for local, _ in answers)

    def find_news(self) -> str:
        """Return what REPLICAS_KEY should hold instead; empty if it is up to date."""
        if not self._replicas or self._replicas.record == self._record:
            return ""
        return self._replicas.record

    def _read_record(self, record: Any) -> None:
        self._record = record.decode() if record else ""
