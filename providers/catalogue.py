"""The catalogue of a vendor's models, its `models.toml`: what each takes, makes and costs."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from .image_bounds import ImageBounds
from .price import Price

Action = Literal["generate", "edit"]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Prompt(_Entry):
    """How a model takes the prompt; the bounds are in characters."""

    required: bool = True
    min: int = 1
    max: int | None = None


class Images(ImageBounds):
    """How a model takes the input images, and what each may be."""

    field: str
    single: bool = False
    required: bool = True
    max: int | None = None


class Parameter(_Entry):
    """Another field of a request; its bounds are of the number, the text or the list."""

    type: Literal["text", "url", "integer", "number", "boolean", "list", "object"] = "text"
    list: bool = False
    enum: tuple[str, ...] = ()
    required: bool = False
    default: bool | int | float | str | None = None
    """The vendor's own default, which is sent only if the field is required."""
    min: int | float | None = None
    max: int | float | None = None
    pattern: str | None = None
    """What a text has to match as a whole."""
    send_as: str | None = None
    actions: tuple[Action, ...] = ("generate", "edit")
    description: str


class Model(_Entry):
    """One model."""

    name: str
    title: str
    service: str = ""
    """The part of the account that it belongs to; empty if the account has no parts."""
    actions: tuple[Action, ...]
    prompt: Prompt | None = None
    images: Images | None = None
    one_of: tuple[str, ...] = ()
    credits: Annotated[Price | None, BeforeValidator(Price.parse)] = None
    count: str | None = None
    first_poll_s: float | None = None
    params: Mapping[str, Parameter] = {}
    edit_params: Mapping[str, Parameter] = {}

    @model_validator(mode="before")
    @classmethod
    def _choose_actions(cls, fields: dict[str, Any]) -> dict[str, Any]:
        images = fields.get("images")
        if images is None:
            actions = ["generate"]
        else:
            actions = ["edit"] if images.get("required", True) else ["generate", "edit"]
        return {"actions": actions, **fields}

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        known = {"image_urls", *self.params}
        priced = self.credits.by if self.credits else ()
        named = {*self.one_of, *self.edit_params, *priced, self.count or "image_urls"}
        if unknown := named - known:
            raise ValueError(f"no parameters of {self.name}: {', '.join(sorted(unknown))}")
        counted = self.params.get(self.count) if self.count else None
        if counted and not counted.enum and not (counted.min and counted.max):
            raise ValueError(f"{self.name}: {self.count} multiplies the price: give min and max")
        return self

    def list_params(self, action: str) -> Mapping[str, Parameter]:
        """Return the parameters that an action takes, by name."""
        params = {**self.params, **(self.edit_params if action == "edit" else {})}
        return {name: param for name, param in params.items() if action in param.actions}

    def estimate(self, params: Mapping[str, object], input_images: int) -> Decimal | None:
        """Return the price of a task in credits; None if it is not known.

        What is not given has the vendor's default; a boolean without one is off, a count is 1.
        """
        off = {name: False for name, each in self.params.items() if each.type == "boolean"}
        defaults = {n: p.default for n, p in self.params.items() if p.default is not None}
        values = off | defaults | dict(params)
        price = self.credits.compute(values, input_images) if self.credits else None
        count = values.get(self.count) if self.count else None
        return price if price is None else price * int(str(count or 1))


@cache
def load_models(package: str) -> Mapping[str, Model]:
    """Return every model in a package's `models.toml`, by its name."""
    text = resources.files(package).joinpath("models.toml").read_text(encoding="utf-8")
    return parse_models(text)


def parse_models(text: str) -> Mapping[str, Model]:
    """Return the models of a catalogue; raises ValueError if one is invalid."""
    tables = tomllib.loads(text)
    descriptions, models = tables["descriptions"], tables["models"]
    for name, fields in models.items():
        like = fields.pop("like", None)
        if like and like not in models:
            raise ValueError(f"{name} is like {like}, which is no model")
        models[name] = fields = {**models.get(like, {}), **fields}
        for table in (fields.get("params", {}), fields.get("edit_params", {})):
            for param_name, param in table.items():
                param.setdefault("description", descriptions.get(param_name))
    return {name: Model.model_validate({"name": name, **each}) for name, each in models.items()}
