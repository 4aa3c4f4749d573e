"""One simulated task: what was ordered, when it ends, where its files lie."""

from __future__ import annotations

import re
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from .faults import Faults

State = Literal["generating", "success", "fail"]
Extension = Literal["jpeg", "png", "mp4"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """A submission that its wire has checked."""

    prompt: str
    body: dict[str, object]
    callback_url: str | None
    credits: int
    ratio: str = "1:1"
    extension: Extension = "jpeg"
    count: int = 1
    edit: bool = False


@dataclass(kw_only=True, slots=True)
class Task:
    """An accepted order; its state follows from the clock alone."""

    number: int
    """How many were accepted before it."""
    task_id: str
    wire: str
    provider: str
    order: Order
    faults: Faults
    base_url: str
    """How its submitter reaches this sandbox, with a slash at the end."""
    created_at: float
    ends_at: float
    lookups: int = 0
    gets: Counter[str] = field(default_factory=Counter)
    """How often each of its files was asked for."""

    def state(self, now: float) -> State:
        """Say how the task stands at a moment."""
        if now < self.ends_at:
            return "generating"
        return "success" if self.faults.fail is None else "fail"

    def url(self, name: str) -> str:
        """Return the address of one of its files."""
        return f"{self.base_url}files/{self.task_id}/{name}"

    def urls(self) -> list[str]:
        """Return the addresses of its results."""
        return [self.url(f"{index}.{self.order.extension}") for index in range(self.order.count)]


def new_id() -> str:
    """Make an id in the form all the providers use."""
    return str(uuid.uuid4())


def size_of(ratio: str, longest: int = 768) -> tuple[int, int]:
    """Turn `16:9` or `1024x1792` into pixels with the given longest side."""
    width, height = map(int, re.split("[:x]", ratio))
    scale = longest / max(width, height)
    return round(width * scale), round(height * scale)
