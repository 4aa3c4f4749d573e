"""The request types of a catalogue's models, built when they are needed and cached.

The dump of a request, by alias, has the vendor's own field names, and the model as `model`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import GenericAlias
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    create_model,
    model_serializer,
)
from pydantic.json_schema import SkipJsonSchema

from ..errors import Problem
from .base import ImageURL, Request
from .base import Prompt as PromptText
from .catalogue import Images, Parameter, Prompt, load_models
from .problems import find_choice_problems


def _to_number(value: float) -> int | float:
    """Return a whole number as an integer: some counts are documented as `number`."""
    return int(value) if value.is_integer() else value


_TYPES: Mapping[str, Any] = {
    "text": str,
    "url": ImageURL,
    "integer": int,
    "number": Annotated[float, PlainSerializer(_to_number)],
    "boolean": bool,
    "list": list[Any],
    "object": dict[str, Any],
}
_OptionalPrompt = Annotated[
    str, StringConstraints(strip_whitespace=True), AfterValidator(lambda text: text or None)
]


class CatalogueRequest(Request):
    """A request for a model; a subclass for each model and action has its parameters."""

    one_of: ClassVar[tuple[str, ...]] = ()
    """Exactly one of these parameters has to be given."""

    model: str = Field(description="Which model to use; `imagequeue providers NAME` lists them.")
    # Not in the schema: `true` selects the other type.
    unchecked: SkipJsonSchema[Literal[False]] = Field(
        False, exclude=True, description="`true`: the other parameters are sent as they are."
    )

    def find_conflicts(self) -> Sequence[Problem]:
        """Check that exactly one of the model's alternatives is given."""
        return find_choice_problems(self, self.one_of)


class UncheckedRequest(Request):
    """A request whose parameters are sent as they are, for models outside of the catalogue."""

    model_config = ConfigDict(extra="allow")

    model: str = Field(min_length=1, description="The vendor's name of the model.")
    unchecked: Literal[True] = Field(description="Send the other parameters as they are.")
    images_field: str = Field(
        "image_urls",
        min_length=1,
        description="The field that takes the images: as a list if its name ends in s.",
    )
    prompt: str = Field("", description="Sent unless it is empty.")
    image_urls: list[ImageURL] = Field([], description="Sent as `images_field`.")

    @model_serializer
    def _serialize(self) -> dict[str, object]:
        fields: dict[str, object] = {"model": self.model, **(self.model_extra or {})}
        if self.prompt:
            fields["prompt"] = self.prompt
        if self.image_urls:
            is_list = self.images_field.endswith("s") or len(self.image_urls) > 1
            fields[self.images_field] = self.image_urls if is_list else self.image_urls[0]
        return fields

    def find_conflicts(self) -> Sequence[Problem]:
        """Check that the images are given once."""
        if self.image_urls and self.images_field in (self.model_extra or {}):
            return [Problem(f"params.{self.images_field}", "leave it out: image_urls is sent so")]
        return ()


@cache
def build_request_type(package: str, name: str, action: str) -> type[CatalogueRequest]:
    """Return the request type of a model in a package's catalogue for one of its actions."""
    model = load_models(package)[name]
    fields: dict[str, Any] = {
        "model": (Literal.__getitem__(name), Field(description=model.title)),
    }
    if model.prompt:
        fields["prompt"] = _to_prompt(model.prompt, action)
    if model.images and action == "edit":
        fields["image_urls"] = _to_images(model.images, optional="image_urls" in model.one_of)
    for param_name, param in model.list_params(action).items():
        fields[param_name] = _to_param(param)
    built = create_model(
        action.capitalize(), __base__=CatalogueRequest, __doc__=model.title, **fields
    )
    built.one_of = model.one_of
    return built


def _to_prompt(prompt: Prompt, action: str) -> Any:
    options: dict[str, Any] = {
        "max_length": prompt.max,
        "description": "What to change." if action == "edit" else "What to draw.",
    }
    if prompt.required or action == "generate":
        return Annotated[PromptText, StringConstraints(min_length=prompt.min)], Field(**options)
    return _OptionalPrompt, Field("", **options)


def _to_images(images: Images, *, optional: bool) -> Any:
    options: dict[str, Any] = {
        "min_length": 1,
        "max_length": 1 if images.single else images.max,
        "serialization_alias": images.field,
        "description": _describe_images(images),
    }
    kind: Any = list[ImageURL]
    if images.single:
        kind = Annotated[kind, PlainSerializer(lambda urls: urls[0])]
    return (kind | None, Field(None, **options)) if optional else (kind, Field(**options))


def _describe_images(images: Images) -> str:
    what = "The image to use" if images.single else "The images to use"
    bounds = images.describe()
    return f"{what}: {bounds}." if bounds else f"{what}."


def _to_param(param: Parameter) -> Any:
    kind: Any = Literal.__getitem__(param.enum) if param.enum else _TYPES[param.type]
    if param.list:
        kind = GenericAlias(list, kind)
    is_sized = param.list or param.type == "text"
    bounds = ("min_length", "max_length") if is_sized else ("ge", "le")
    options: dict[str, Any] = dict(zip(bounds, (param.min, param.max), strict=True))
    if param.pattern:
        options["pattern"] = f"^(?:{param.pattern})$"
    options["description"] = param.description
    options["serialization_alias"] = param.send_as
    if not param.required:
        # Shown in the schema, and not sent: the vendor may change it.
        options["json_schema_extra"] = {"default": param.default}
        return kind | None, Field(None, **options)
    return kind, Field(... if param.default is None else param.default, **options)
