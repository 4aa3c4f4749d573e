"""Names of models across all providers: `provider/model`, or `provider` where none is needed."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple, get_args

from ..suggest import suggest
from . import PROVIDERS

ACTIONS = ("generate", "edit")


class UnknownModelError(Exception):
    """No model has this name; the message suggests others."""


class ModelName(NamedTuple):
    """A provider, and the value of its parameter `model`; empty if it takes its own default."""

    provider: str
    model: str

    @property
    def params(self) -> dict[str, Any]:
        """The parameters that name the model."""
        return {"model": self.model} if self.model else {}


def parse_model_name(name: str, *, unchecked: bool = False) -> ModelName:
    """Return the provider and the model of a name; raises UnknownModelError.

    With `unchecked`, the provider may have any model.
    """
    provider, _, model = name.partition("/")
    if name in list_model_names():
        return ModelName(provider, model)
    if model and provider in PROVIDERS and (unchecked or _takes_any_model(provider)):
        return ModelName(provider, model)
    raise UnknownModelError(f"no model {name}; {_suggest(name)}")


def list_model_names() -> list[str]:
    """Return every name, in the order of the providers."""
    return [name for provider in PROVIDERS for name in _list_names(provider)]


def _suggest(name: str) -> str:
    if name in PROVIDERS and _takes_any_model(name):
        return f"add the name that the server has for it, as {name}/MODEL"
    names = list_model_names()
    own = [each for each in names if each.startswith(f"{name}/")]
    if own:
        return f"name one of its models, such as {own[0]}; GET /v1/models lists all"
    advice = suggest(name, names, count=3)
    return " ".join(filter(None, [advice, "GET /v1/models lists all"]))


@cache
def _list_names(provider: str) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for form in PROVIDERS[provider].list_forms():
        unchecked, field = (form.type.model_fields.get(each) for each in ("unchecked", "model"))
        if form.action not in ACTIONS or (unchecked and unchecked.is_required()):
            continue
        if field is None or not field.is_required():
            names[provider] = None
        names |= dict.fromkeys(
            f"{provider}/{each}" for each in get_args(field and field.annotation)
        )
    return tuple(names)


def _takes_any_model(provider: str) -> bool:
    kinds = PROVIDERS[provider].actions
    fields = [kinds[action].model_fields for action in ACTIONS if action in kinds]
    return any(
        "unchecked" not in each and "model" in each and each["model"].annotation is str
        for each in fields
    )
