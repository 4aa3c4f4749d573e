"""The named keys of an account, as its settings list them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from ..field_types import split_list

MAIN = "main"
"""The name of a key that was given without one."""

_ENTRY = re.compile(
    r"((?P<name>[A-Za-z0-9._-]{1,32})(/(?P<services>[a-z0-9-]+(\+[a-z0-9-]+)*))?:)?(?P<secret>.+)"
)


@dataclass(frozen=True, slots=True)
class AccountKey:
    """One key of an account; the name stands in jobs and logs, the secret in requests alone."""

    name: str
    secret: SecretStr
    services: frozenset[str] = frozenset()
    """The services that it is limited to; empty for all."""

    def serves(self, service: str) -> bool:
        """Return whether it can pay for a service."""
        return not self.services or service in self.services


def _parse_keys(value: Any) -> Any:
    """Turn `main:KEY, art/flux:KEY` into AccountKeys; errors quote nothing, as it may be a key."""
    if not isinstance(value, str):
        return value
    entries = split_list(value)
    return tuple(_parse_entry(entry, at, len(entries)) for at, entry in enumerate(entries, 1))


def _parse_entry(entry: str, at: int, count: int) -> AccountKey:
    found = _ENTRY.fullmatch(entry)
    # A colon in what stands for a bare key is a name that is not allowed.
    if not found or (not found["name"] and (count > 1 or ":" in found["secret"])):
        raise ValueError(
            f"entry {at} must be NAME:KEY or NAME/SERVICE:KEY, the name up to 32 letters, digits, "
            "dots, dashes and underscores; several services are joined by +"
        )
    services = frozenset((found["services"] or "").split("+")) - {""}
    return AccountKey(found["name"] or MAIN, SecretStr(found["secret"].strip()), services)


AccountKeys = Annotated[tuple[AccountKey, ...], NoDecode, BeforeValidator(_parse_keys)]


def find_key_problem(keys: Sequence[AccountKey], services: Iterable[str]) -> str | None:
    """Return what is wrong between the keys of an account with these services; quotes no key."""
    known = sorted(services)
    if len({key.name for key in keys}) < len(keys):
        return f"two keys have the same name; the single key is called {MAIN}"
    if len({key.secret.get_secret_value() for key in keys}) < len(keys):
        return "two names have the same key: leave one out"
    if any(key.services - {*known} for key in keys):
        what = f"known: {', '.join(known)}" if known else "its keys serve all: leave /SERVICE out"
        return f"a key is limited to an unknown service; {what}"
    return None
