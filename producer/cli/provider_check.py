"""The conformance checks of a provider of your own, on the command line."""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import click

from ...providers.base import Provider
from ...providers.conformance import check_provider
from ...providers.conformance.cases import load_cases

MAX_PROBLEMS = 10


def check_module(name: str, recorded: Path | None) -> bool:
    """Check every provider of a module, print what was found, and return whether all is well."""
    module = _import(name)
    kinds = [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Provider) and kind.__module__ == name
    ]
    if not kinds:
        raise click.ClickException(f"{name} defines no subclass of Provider")
    folder = recorded or Path(str(module.__file__)).with_name("recorded")
    checked = [_check(kind, folder) for kind in kinds]
    return all(checked)


def _import(name: str) -> ModuleType:
    sys.path.insert(0, "")  # as for `python -m`
    try:
        return import_module(name)
    except (Exception, SystemExit) as error:
        message = f"{name} cannot be imported ({type(error).__name__}: {error})"
        raise click.ClickException(message) from None


def _check(kind: type[Provider], folder: Path) -> bool:
    if inspect.isabstract(kind):
        missing = ", ".join(sorted(kind.__abstractmethods__))
        raise click.ClickException(f"{kind.__name__} lacks {missing}: define them")
    provider = kind()
    try:
        cases = load_cases(provider, folder)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{provider.name}: {len(cases)} recorded bodies in {folder}")
    is_well = True
    for what, problems in check_provider(provider, cases):
        is_well = is_well and not problems
        click.echo(f"{'FAIL' if problems else 'ok  '}  {what}")
        for problem in problems[:MAX_PROBLEMS]:
            click.echo(f"      {problem}")
        if len(problems) > MAX_PROBLEMS:
            click.echo(f"      and {len(problems) - MAX_PROBLEMS} more")
    return is_well
