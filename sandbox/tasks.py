"""One simulated task: its order, its times and the URLs of its files."""

from __future__ import annotations

import re
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from .faults.faults import Faults

State = Literal["generating", "success", "fail"]
Extension = Literal["jpeg", "png", "webp", "mp4"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """A valid submission."""

    prompt: str
    body: dict[str, object]
    callback_url: str | None
    credits: float
    ratio: str = "1:1"
    extension: Extension = "jpeg"
    count: int = 1
    edit: bool = False


@dataclass(kw_only=True, slots=True)
class Task:
    """An accepted order; its state depends on the clock alone."""

    number: int
    """The number of tasks accepted before it."""
    task_id: str
    api: str
    provider: str
    order: Order
    scene: str
    """The text that the shapes in its images come from: an edit has those of its input."""
    charged: float
    faults: Faults
    base_url: str
    """The address at which its submitter reaches the sandbox, with a slash at the end."""
    created_at: float
    ends_at: float
    lookups: int = 0
    gets: Counter[str] = field(default_factory=Counter)
    """The number of GETs of each of its files."""

    def state(self, now: float) -> State:
        """Return the task's state at a time."""
        if now < self.ends_at:
            return "generating"
        return "success" if self.faults.fail is None else "fail"

    def url(self, name: str) -> str:
        """Return the URL of one of its files."""
        return f"{self.base_url}files/{self.task_id}/{name}"

    def urls(self) -> list[str]:
        """Return the URLs of its results."""
        return [self.url(f"{index}.{self.order.extension}") for index in range(self.order.count)]


def new_id() -> str:
    """Return a new id in the form that all providers use."""
    return str(uuid.uuid4())


def parse_size(ratio: str, longest: int = 768) -> tuple[int, int]:
    """Return `16:9` or `1024x1792` in pixels, with the given longest side."""
    width, height = map(int, re.split("[:x]", ratio))
    scale = longest / max(width, height)
    return round(width * scale), round(height * scale)
