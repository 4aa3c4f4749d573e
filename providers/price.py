"""What a task costs by its parameters, as a vendor's price list says it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, PlainSerializer


def _to_number(amount: Decimal) -> int | float:
    return int(amount) if amount == int(amount) else float(amount)


# A price such as 4.8 stays exact, also three times over.
Credits = Annotated[Decimal, PlainSerializer(_to_number)]


class Price(BaseModel):
    """The price of one image in the vendor's credits, and what it depends on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: Credits = Decimal()
    by: Mapping[str, Mapping[str, Credits]] = {}
    """The price for each value of a parameter."""
    per_input_image: Credits = Decimal()
    free_input_images: int = 0
    per_megapixel: Credits = Decimal()

    @classmethod
    def parse(cls, value: Any) -> Any:
        """Read a plain number as the whole price."""
        return {"base": value} if isinstance(value, int | float) else value

    def compute(self, params: Mapping[str, object], input_images: int) -> Decimal | None:
        """Return the price of an image; None if it depends on what is not known.

        `params` has the values that the task will run with, the vendor's own defaults included.
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

    def to_json(self) -> object:
        """Return the price as it is written in the catalogue: a number, or an object."""
        fields = self.model_dump(exclude_defaults=True)
        return fields["base"] if set(fields) == {"base"} else fields

    def describe(self, *, each: bool) -> str:
        """Return the price in words; `each`: a task may make several images."""
        parts = [f"{self.base} credits"] if self.base else []
        for name, prices in self.by.items():
            low, high = min(prices.values()), max(prices.values())
            parts.append(f"{low if low == high else f'{low} to {high}'} credits by {name}")
        if self.per_megapixel:
            parts.append(f"{self.per_megapixel} credits a megapixel")
        if self.per_input_image:
            after = " after the first" if self.free_input_images else ""
            parts.append(f"{self.per_input_image} for each input image{after}")
        return " + ".join(parts) + (" an image" if each and not self.per_megapixel else "")


def _to_key(value: object) -> str:
    """Return a value as the price list spells it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
