"""Ids and numbers as Redis returns them; one that is damaged stops no other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress


def decode_id(found: bytes) -> str:
    """Return the text of an id; one that is not UTF-8 becomes a text that is no id."""
    return found.decode(errors="replace")


def decode_ids(found: Iterable[bytes]) -> list[str]:
    """Return the texts of ids."""
    return [decode_id(each) for each in found]


def decode_numbers(found: Mapping[bytes, bytes]) -> dict[str, int]:
    """Return numbers by their names, in order, without the damaged ones."""
    numbers: dict[str, int] = {}
    for name, number in sorted(found.items()):
        with suppress(ValueError):
            numbers[name.decode()] = int(number)
    return numbers
