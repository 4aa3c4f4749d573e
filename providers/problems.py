"""What is wrong with the parameters of a request, by the fields of the job request."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ..errors import Problem
from ..suggest import suggest
from .request import TOP_LEVEL


def to_problems(model: type[BaseModel], error: ValidationError) -> list[Problem]:
    """Return each problem that a provider's request type has found, and what to change."""
    return [_to_problem(model, detail) for detail in error.errors(include_url=False)]


def find_choice_problems(request: BaseModel, names: Collection[str]) -> Sequence[Problem]:
    """Return a problem unless exactly one of these fields is given, or there are no names."""
    given = [name for name in names if getattr(request, name, None) is not None]
    if len(given) == 1 or not names:
        return ()
    fields = [name if name in TOP_LEVEL else f"params.{name}" for name in names]
    return [Problem(fields[0], f"give exactly one of {' and '.join(fields)}")]


def _to_problem(model: type[BaseModel], detail: ErrorDetails) -> Problem:
    """Convert one pydantic error to a field of the job request and what to change."""
    path = [str(part) for part in detail["loc"]]
    name = path[0] if path else ""
    is_top_level = name in TOP_LEVEL
    field = ".".join(path if is_top_level else ["params", *path])
    if detail["type"] == "extra_forbidden":
        return Problem(name if is_top_level else field, _describe_unknown(model, name))
    if detail["type"] == "missing":
        return Problem(field, "is required for this action")
    if is_top_level and detail.get("ctx", {}).get("min_length") == 1:
        return Problem(name, "must not be empty")
    return Problem(field, detail["msg"].removeprefix("Value error, "))


def _describe_unknown(model: type[BaseModel], name: str) -> str:
    if name in TOP_LEVEL:
        return "this action takes none; leave it out"
    known = [field for field in model.model_fields if field not in TOP_LEVEL]
    return f"unknown parameter; {suggest(name, known) or 'known: ' + ', '.join(known)}"
