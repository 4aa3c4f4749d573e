"""The faults of one task, as words in its prompt ask: `a cat [fail=501]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .words import WORDS


class FaultError(ValueError):
    """A word or rate is unknown; ignoring it would let a test pass without its fault."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Faults:
    """The faults of one task; by default there are none."""

    refuse: int | None = None
    busy_times: int = 0
    busy_code: int = 429
    fail: int | None = None
    stuck: bool = False
    slow_s: float | None = None
    answer_lost: bool = False
    answer_garbage: bool = False
    answer_slow_s: float = 0.0
    callback_none: bool = False
    callback_twice: bool = False
    callback_early: bool = False
    callback_late_s: float = 0.0
    task_mismatch: bool = False
    url_life_s: float | None = None
    url_dead: bool = False
    file_truncated: bool = False
    file_html: bool = False
    file_flaky_times: int = 0


_NAMES = {re.split("[=:]", word.syntax)[0] for word in WORDS}


def parse_faults(prompt: str) -> Faults:
    """Return the faults that a prompt asks for; raises FaultError on a misspelt word."""
    fields: dict[str, Any] = {}
    for written in re.findall(r"\[([^\[\]]*)\]", prompt):
        if written.partition("=")[0] in _NAMES:
            fields |= _parse_word(written)
    return Faults(**fields)


def _parse_word(written: str) -> dict[str, Any]:
    for word in WORDS:
        match = re.fullmatch(word.pattern, written)
        if match:
            return word.effect(*match.groups())
    name = written.partition("=")[0]
    known = ", ".join(f"[{word.syntax}]" for word in WORDS if word.syntax.startswith(name))
    raise FaultError(f"[{written}] is not a fault of this sandbox; known: {known}")
