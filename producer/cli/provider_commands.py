"""The command that lists providers, their models and their parameters."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .printing import as_json

if TYPE_CHECKING:
    from ...providers.describe import ProviderSummary, RequestDetails

Schema = Mapping[str, Any]
CHECK = "check"
"""The word in place of a provider's name, which no provider may have."""


@click.command()
@click.argument("provider", required=False)
@click.argument("model", required=False)
@click.option(
    "--recorded",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The recorded bodies for `check`; by default `recorded/` beside the module.",
)
@as_json
def providers(
    provider: str | None, model: str | None, recorded: Path | None, as_json: bool
) -> None:
    """List the providers, the models of PROVIDER, or the parameters of its MODEL.

    `imagequeue providers check MODULE` checks a provider of your own; exit status 1 if it fails.
    """
    if provider == CHECK and model:
        from .provider_check import check_module

        sys.exit(0 if check_module(model, recorded) else 1)
    from ...providers import PROVIDERS
    from ...providers.describe import describe_provider, list_providers

    for problem in PROVIDERS.problems:
        click.echo(f"imagequeue: {problem}", err=True)
    if provider is None:
        found = list_providers()
        if as_json:
            click.echo(json.dumps([each.model_dump() for each in found]))
        else:
            _print_columns(_to_row(each) for each in found)
        return
    details = describe_provider(provider, model)
    if as_json:
        click.echo(details.model_dump_json(by_alias=True))
    elif model is None and any(each.model for each in details.requests):
        _print_columns(_list_models(details.requests))
    else:
        for request in details.requests:
            _print_request(request)


def _to_row(provider: ProviderSummary) -> list[str]:
    models = f"{provider.models} models" if provider.models else ""
    return [provider.name, ", ".join(provider.actions), models]


def _list_models(requests: Sequence[RequestDetails]) -> Iterable[list[str]]:
    """Yield a row for each model: its name, its actions and its price."""
    names = dict.fromkeys(each.model for each in requests)
    for name in names:
        of_model = [each for each in requests if each.model == name]
        actions = ", ".join(each.action for each in of_model)
        yield [name or "(unchecked)", actions, of_model[0].price or "price not listed"]


def _print_columns(rows: Iterable[Sequence[str]]) -> None:
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def _print_request(request: RequestDetails) -> None:
    """Print the fields of a request, one on each line."""
    fields = request.json_schema["properties"]
    params = fields["params"]
    heading = [request.action, request.model, request.title, request.price]
    click.echo("  ".join(part for part in heading if part))
    rows = [
        [f"  {name}", _describe(fields[name], name in request.json_schema["required"])]
        for name in ("prompt", "image_urls")
        if name in fields
    ]
    rows += [
        [f"  params.{name}", _describe(schema, name in params["required"])]
        for name, schema in params["properties"].items()
    ]
    _print_columns(rows)


def _describe(schema: Schema, required: bool) -> str:
    """Return a field's type, bounds, default and meaning in words."""
    words = [_describe_type(schema)]
    if (default := schema.get("default")) not in (None, ""):
        words.append(f"default {default if isinstance(default, str) else json.dumps(default)}")
    if required:
        words.append("required")
    return f"{', '.join(words)}. {schema.get('description', '')}".rstrip()


def _describe_type(schema: Schema) -> str:
    if options := [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]:
        return " or ".join(map(_describe_type, options))
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    kind, items = schema.get("type", "any"), schema.get("items")
    if items is not None:
        kind = f"list of {_describe_type(items)}"
    if pattern := schema.get("pattern"):
        kind = f"{kind} that matches {pattern.removeprefix('^(?:').removesuffix(')$')}"
    low = schema.get("minimum", schema.get("minLength", schema.get("minItems")))
    high = schema.get("maximum", schema.get("maxLength", schema.get("maxItems")))
    unit = " characters" if kind == "string" else ""
    if low == high:
        return kind if low is None else f"{kind}, exactly {low}{unit}"
    if low is None or (unit and low == 1):
        return kind if high is None else f"{kind}, up to {high}{unit}"
    return f"{kind}, at least {low}{unit}" if high is None else f"{kind}, {low} to {high}{unit}"
