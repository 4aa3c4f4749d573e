"""Suggest the name that was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def suggest(name: str, known: Iterable[str], *, count: int = 1, prefix: str = "") -> str:
    """Return `did you mean a or b?` with the nearest names; empty if none is near."""
    near = difflib.get_close_matches(name, [*known], n=count)
    return f"did you mean {' or '.join(prefix + each for each in near)}?" if near else ""


def describe_unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return what to say of an unknown name: what was probably meant, and every known one."""
    names = [*known]
    parts = (f"unknown {kind};", suggest(name, names), f"known: {', '.join(names)}")
    return " ".join(filter(None, parts))
