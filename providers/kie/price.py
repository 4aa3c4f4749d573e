"""What a task of kie.ai's unified API costs, as its price list says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict


class Price(BaseModel):
    """The price of one image in kie's credits, and what it depends on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: float = 0
    by: Mapping[str, Mapping[str, float]] = {}
    """The price for each value of a parameter."""
    per_input_image: float = 0
    free_input_images: int = 0
    per_megapixel: float = 0

    @classmethod
    def parse(cls, value: Any) -> Any:
        """Read a plain number as the whole price."""
        return cls(base=value) if isinstance(value, int | float) else value

    def compute(self, params: Mapping[str, object], input_images: int) -> float | None:
        """Return the price of an image; None if it depends on what is not known.

        `params` has the values that the task will run with, kie's own defaults included.
        """
        if self.per_megapixel:
            return None
        total = self.base + self.per_input_image * max(0, input_images - self.free_input_images)
        for name, prices in self.by.items():
            price = prices.get(_to_key(params.get(name)))
            if price is None:
                return None
            total += price
        return total


def _to_key(value: object) -> str:
    """Return a value as the price list spells it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
