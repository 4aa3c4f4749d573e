"""The commands on API keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from .printing import as_json, open_redis

if TYPE_CHECKING:
    from ...store.api_keys import ApiKeys, Limits

per_minute = click.option("--per-minute", type=click.IntRange(0), help="Maximum jobs per minute.")
open_jobs = click.option("--open-jobs", type=click.IntRange(0), help="Maximum unfinished jobs.")


@click.group()
def keys() -> None:
    """Keys of the HTTP API: each names a caller and may have limits; 0 means no limit.

    Only hashes of keys are stored. A change takes a few seconds to reach every API process.
    """


@keys.command()
@click.argument("name")
@per_minute
@open_jobs
@as_json
def add(name: str, per_minute: int | None, open_jobs: int | None, as_json: bool) -> None:
    """Create a key and print it; it is not shown again."""
    from ...jobs.job import utc_now
    from ...store.api_keys import Limits

    limits = Limits(per_minute or 0, open_jobs or 0)
    key = _open_keys().add(name, limits, utc_now())
    click.echo(json.dumps({"name": name, "key": key, **_to_dict(limits)}) if as_json else key)


@keys.command("list")
@as_json
def list_keys(as_json: bool) -> None:
    """List the keys in Redis; keys from the environment are not listed."""
    for name, use in _open_keys().list_uses().items():
        key = use.key
        if as_json:
            line: dict[str, Any] = {
                "name": name,
                **_to_dict(key.limits),
                "created_at": key.created_at.isoformat(),
                "last_used": use.last_used or None,
                "open_jobs_now": use.open_jobs,
            }
            click.echo(json.dumps(line))
        else:
            used = f"used {use.last_used}" if use.last_used else "never used"
            made = f"made {key.created_at:%Y-%m-%d}"
            click.echo(
                f"{name:<24}  {made}  {used:<15}  {use.open_jobs} open{_describe(key.limits)}"
            )


@keys.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove a key; its jobs continue."""
    store = _open_keys()
    store.remove(name)
    if not store.all():
        click.echo(
            "that was the last key: unless IMAGEQUEUE_API_KEYS is set, everyone on the API's "
            "machine now has access without a key",
            err=True,
        )


@keys.command()
@click.argument("name")
@per_minute
@open_jobs
@as_json
def limit(name: str, per_minute: int | None, open_jobs: int | None, as_json: bool) -> None:
    """Change a key's limits; an omitted limit stays."""
    if per_minute is None and open_jobs is None:
        raise click.UsageError("give --per-minute or --open-jobs; 0 removes the limit")
    limits = _open_keys().set_limits(name, per_minute, open_jobs).limits
    shown = json.dumps({"name": name, **_to_dict(limits)})
    click.echo(shown if as_json else f"{name}{_describe(limits) or '  no limits'}")


def _open_keys() -> ApiKeys:
    from ...store.api_keys import ApiKeys

    return ApiKeys(open_redis())


def _to_dict(limits: Limits) -> dict[str, int | None]:
    return {name: limit or None for name, limit in limits._asdict().items()}


def _describe(limits: Limits) -> str:
    minute = f"  {limits.per_minute} a minute at most" if limits.per_minute else ""
    return minute + (f"  {limits.open_jobs} open at most" if limits.open_jobs else "")
