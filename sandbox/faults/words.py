"""The words in a prompt that cause faults: their syntax, meaning and effect."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

LATE_S = 120.0
"""The default delay of a late callback."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word that causes a fault."""

    syntax: str
    """As in a prompt, without the brackets; capitals stand for numbers."""
    meaning: str
    effect: Callable[..., dict[str, Any]]
    """Converts those numbers to fields of `Faults`."""

    @property
    def pattern(self) -> str:
        """The syntax as a regular expression, one group for each value."""
        return (
            re.escape(self.syntax)
            .replace("CODE", r"([45]\d\d)")
            .replace("SECONDS", r"(\d+(?:\.\d+)?)")
            .replace("N", r"(\d+)")
        )


WORDS = (
    Word(
        "refuse=CODE",
        "the submission is refused with this code; nothing is charged",
        lambda code: {"refuse": int(code)},
    ),
    Word(
        "busy=N",
        "the first N submissions of this prompt are refused with 429",
        lambda times: {"busy_times": int(times)},
    ),
    Word(
        "busy=N:CODE",
        "the same with another code, such as 503 or kie's 455",
        lambda times, code: {"busy_times": int(times), "busy_code": int(code)},
    ),
    Word(
        "fail=CODE",
        "the task is accepted and charged, then fails with this code",
        lambda code: {"fail": int(code)},
    ),
    Word("stuck", "the task never finishes", lambda: {"stuck": True}),
    Word(
        "slow=SECONDS",
        "the task takes this long",
        lambda seconds: {"slow_s": float(seconds)},
    ),
    Word(
        "answer=lost",
        "accepted and charged, then the connection closes without a response",
        lambda: {"answer_lost": True},
    ),
    Word(
        "answer=slow:SECONDS",
        "accepted and charged at once, with the response this much later",
        lambda seconds: {"answer_slow_s": float(seconds)},
    ),
    Word(
        "answer=garbage",
        "accepted and charged, with an HTML page as response",
        lambda: {"answer_garbage": True},
    ),
    Word("callback=none", "no callback is sent", lambda: {"callback_none": True}),
    Word("callback=twice", "the callback is delivered twice", lambda: {"callback_twice": True}),
    Word(
        "callback=early",
        "the task ends at once and calls back before the response to its submission",
        lambda: {"callback_early": True},
    ),
    Word(
        "callback=late",
        f"the callback starts {LATE_S:.0f} seconds after the task has ended",
        lambda: {"callback_late_s": LATE_S},
    ),
    Word(
        "callback=late:SECONDS",
        "the callback starts this long after the task has ended",
        lambda seconds: {"callback_late_s": float(seconds)},
    ),
    Word(
        "task=mismatch",
        "the callback names another task id",
        lambda: {"task_mismatch": True},
    ),
    Word("url=dead", "files answer 403, refreshed or not", lambda: {"url_dead": True}),
    Word(
        "url=dies:SECONDS",
        "files answer 403 from this long after the end; a refreshed URL works",
        lambda seconds: {"url_life_s": float(seconds)},
    ),
    Word(
        "file=truncated",
        "files are cut half way, short of their content-length",
        lambda: {"file_truncated": True},
    ),
    Word("file=html", "files are an HTML error page with status 200", lambda: {"file_html": True}),
    Word(
        "file=flaky:N",
        "the first N GETs of each file answer 500",
        lambda times: {"file_flaky_times": int(times)},
    ),
)
