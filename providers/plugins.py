"""Providers of other distributions, found by their entry points in the group of this package.

A plug-in that cannot be used is left out, with one line that says what to change.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic_core import PydanticUndefined

from .account import Account
from .base import Provider

GROUP = "imagequeue.providers"
_RESERVED = (
    "all api archive breaker broker budget budgets ca caller callback callbacks check data "
    "download durability give http image images lease local log max poll public rate redis "
    "retention save secret storage submit sweep traces unconfirmed url usd webhook"
)
RESERVED_ACCOUNTS = frozenset(_RESERVED.split())
"""The first words of other settings, and names that mean something else beside an account."""

_PROVIDER_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_ACCOUNT_NAME = re.compile(r"[a-z][a-z0-9]*")
_MAX_NAME = 40
_RESERVED_PROVIDERS = ("all", "check")


class PluginError(Exception):
    """The plug-in cannot be used; the message says what to change in it."""


def load_plugins(built_in: Collection[Provider]) -> tuple[list[Provider], list[str]]:
    """Return the providers of all plug-ins, and a line for each that cannot be used."""
    loaded: list[Provider] = []
    problems = []
    for entry in sorted(entry_points(group=GROUP), key=_name_distribution):
        try:
            loaded.append(_load(entry, [*built_in, *loaded]))
        except PluginError as error:
            problems.append(f"{_name_distribution(entry)}: {error}")
    return loaded, problems


def _name_distribution(entry: EntryPoint) -> str:
    return f"plug-in {entry.dist.name if entry.dist else entry.value} ({entry.name})"


def _load(entry: EntryPoint, others: Collection[Provider]) -> Provider:
    try:
        kind = entry.load()
    except (Exception, SystemExit) as error:  # whatever its module does when it is imported
        why = f"{type(error).__name__}: {error}".partition("\n")[0][:200]
        raise PluginError(f"{entry.value} cannot be imported ({why}): mend or remove it") from None
    if problem := next(find_plugin_problems(kind, others), None):
        raise PluginError(problem)
    provider: Provider = kind()
    return provider


def find_plugin_problems(kind: Any, others: Collection[Provider]) -> Iterator[str]:
    """Yield why a class cannot be a provider beside others."""
    if not (isinstance(kind, type) and issubclass(kind, Provider)):
        yield f"{kind!r} is not a subclass of imagequeue.providers.base.Provider"
        return
    if missing := _list_missing(kind, "name", "account", "actions"):
        yield f"{kind.__name__} lacks {', '.join(missing)}: define them"
        return
    yield from _check_name(kind, others)
    yield from _check_account(kind.account, {each.account for each in others})


def _list_missing(kind: type, *attributes: str) -> list[str]:
    abstract = sorted(getattr(kind, "__abstractmethods__", ()))
    return [*abstract, *(name for name in attributes if not hasattr(kind, name))]


def _check_name(kind: type[Provider], others: Collection[Provider]) -> Iterator[str]:
    if not _PROVIDER_NAME.fullmatch(kind.name) or len(kind.name) > _MAX_NAME:
        yield (
            f"the provider's name {kind.name!r} must be up to {_MAX_NAME} small letters and digits "
            "with single dashes between: rename it"
        )
    if kind.name in _RESERVED_PROVIDERS:
        yield f"a provider cannot be called {kind.name}: rename it"
    if any(kind.name == each.name for each in others):
        yield f"there is another provider called {kind.name}: rename it"


def _check_account(account: Any, others: Collection[type[Account]]) -> Iterator[str]:
    if account in others:
        return
    if not (isinstance(account, type) and issubclass(account, Account)):
        yield f"{account!r} is not a subclass of imagequeue.providers.account.Account"
        return
    if missing := _list_missing(account, "name"):
        yield f"{account.__name__} lacks {', '.join(missing)}: define them"
        return
    name = account.name
    if not _ACCOUNT_NAME.fullmatch(name) or len(name) > _MAX_NAME:
        yield f"the account's name {name!r} must be small letters and digits: rename it"
    elif name in RESERVED_ACCOUNTS:
        yield f"the account's name {name} begins other settings: rename it"
    elif any(name == each.name for each in others):
        yield f"there is another account called {name}: rename it, or use that one's class"
    for field, info in account.model_fields.items():
        if info.get_default(call_default_factory=False) is PydanticUndefined:
            yield f"the account's setting {field} has no default: give it one"
