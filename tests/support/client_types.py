"""Write the names that the clients know, and the requests that each provider takes."""

from enum import StrEnum
from typing import Any

from imagequeue.jobs.state import Reason, State
from imagequeue.providers import accounts, get
from imagequeue.providers.describe import describe_provider, list_providers
from imagequeue.providers.request import PRIORITIES
from support.client_parameters import to_class_name

HEAD = '''# Written by `make client` from the providers' models.
"""The names and requests that this version of the queue knows, for type checkers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NewType, Required, TypedDict, Union

from .inputs import SubmitOptions

if TYPE_CHECKING:
    from .parameters import {}

OtherProvider = NewType("OtherProvider", str)
"""The name of a provider that is not known here: of a plug-in, or chosen while the program runs."""

OtherParams = NewType("OtherParams", dict[str, Any])
"""Parameters that are not known here: of a model that is sent `unchecked`, or made as it runs."""


class _Request(SubmitOptions, total=False):
    """What every job may have."""

    prompt: str


class Fallback(TypedDict, total=False):
    """Another provider for the same job."""

    provider: Required[ProviderName | OtherProvider]
    params: Mapping[str, Any]


class OtherRequest(_Request, total=False):
    """A job of a provider that is not known here."""

    provider: Required[OtherProvider]
    action: str
    params: Mapping[str, Any]

'''


def write_catalogue() -> str:
    """Return the module of names and requests."""
    providers = list_providers()
    actions = dict.fromkeys(action for each in providers for action in each.actions)
    lines = [
        HEAD.format(", ".join(account.name for account in accounts())),
        f"ProviderName = {to_literal(each.name for each in providers)}",
        f"ActionName = {to_literal(actions)}",
        f"Priority = {to_literal(PRIORITIES)}",
        f"StateName = {to_literal(State)}",
        f"ReasonName = {to_literal(Reason)}",
    ]
    for each in providers:
        name = to_class_name(each.name)
        known = f"{get(each.name).account.name}.{name}KnownParams"
        lines += [
            f'{name}AnyParams = Union["{known}", OtherParams]\n\n',
            f"class {name}Request(_Request, total=False):",
            f'    """A job of {each.name}."""\n',
            f"    provider: Required[Literal[{each.name!r}]]",
            f"    action: {to_literal(each.actions)}",
            f"    params: {_need(each.name, f'{name}AnyParams')}",
        ]
    names = " | ".join(f"{to_class_name(each.name)}Request" for each in providers)
    lines += [f"Request = {names} | OtherRequest"]
    return "\n".join(lines)


def to_literal(names: Any) -> str:
    values = (each.value if isinstance(each, StrEnum) else each for each in names)
    return f"Literal[{', '.join(map(repr, values))}]"


def _need(provider: str, kind: str) -> str:
    return f"Required[{kind}]" if needs_params(provider) else kind


def needs_params(provider: str) -> bool:
    """Return whether every request of a provider has parameters."""
    schemas = (each.json_schema for each in describe_provider(provider).requests)
    return all("params" in schema["required"] for schema in schemas)
