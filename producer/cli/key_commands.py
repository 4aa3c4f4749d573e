"""The commands on API keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from ...store.callers.roles import Role
from .printing import as_json, open_redis, show_unreadable

if TYPE_CHECKING:
    from ...config.budgets import Budget
    from ...store.callers.api_keys import ApiKey, ApiKeys

per_minute = click.option("--per-minute", type=click.IntRange(0), help="Maximum jobs per minute.")
open_jobs = click.option("--open-jobs", type=click.IntRange(0), help="Maximum unfinished jobs.")
in_flight = click.option(
    "--in-flight", type=click.IntRange(0), help="Maximum jobs at providers at once; others wait."
)
max_priority = click.option(
    "--max-priority",
    type=click.Choice(["low", "normal", "high"]),
    help="Highest priority of its jobs; by default normal, for an admin key high.",
)
BUDGET_HELP = "The maximum its jobs may cost, such as 5usd/day; may be repeated."
ADMIN_HELP = "Access to the jobs of every caller."
READ_ONLY_HELP = "May read jobs and /metrics, and change nothing."
role_option = click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    help="viewer: --admin --read-only; submitter: neither; admin: --admin.",
)


def _parse_budgets(_: click.Context, __: click.Parameter, texts: Any) -> tuple[Budget, ...]:
    from ...config.budgets import Budget

    try:
        return tuple(map(Budget.parse, texts))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.group()
def keys() -> None:
    """Keys of the HTTP API: each names a caller and may have limits; 0 means no limit.

    A key has access to the jobs submitted under its name; an admin key to all jobs.

    Only hashes of keys are stored. A change takes a few seconds to reach every API process.
    """


@keys.command()
@click.argument("name")
@per_minute
@open_jobs
@in_flight
@max_priority
@click.option("--budget", "budgets", multiple=True, callback=_parse_budgets, help=BUDGET_HELP)
@click.option("--admin", "is_admin", is_flag=True, help=ADMIN_HELP)
@click.option("--read-only", "is_read_only", is_flag=True, help=READ_ONLY_HELP)
@role_option
@as_json
def add(
    name: str,
    role: str | None,
    per_minute: int | None,
    open_jobs: int | None,
    in_flight: int | None,
    max_priority: Any,
    budgets: tuple[Budget, ...],
    is_admin: bool,
    is_read_only: bool,
    as_json: bool,
) -> None:
    """Create a key and print it; it is not shown again."""
    from ...store.callers.api_keys import ApiKeys, Limits
    from ...store.clock import RedisClock

    if role and (is_admin or is_read_only):
        raise _make_role_error()
    limits = Limits(per_minute or 0, open_jobs or 0, in_flight or 0)
    client = open_redis()
    store, now = ApiKeys(client), RedisClock(client)
    rights = {
        "is_admin": is_admin,
        "is_read_only": is_read_only,
        "max_priority": max_priority,
        "budgets": budgets,
        **(Role(role).rights._asdict() if role else {}),
    }
    key = store.add(name, limits, now(), **rights)
    shown = {"name": name, "key": key, **_to_dict(store.all()[name])}
    click.echo(json.dumps(shown) if as_json else key)


@keys.command("list")
@as_json
def list_keys(as_json: bool) -> None:
    """List the keys in Redis; keys from the environment are not listed."""
    store = _open_keys()
    for name, use in store.list_uses().items():
        key = use.key
        if as_json:
            line: dict[str, Any] = {
                "name": name,
                **_to_dict(key),
                "created_at": key.created_at.isoformat(),
                "last_used": use.last_used or None,
                "open_jobs_now": use.open_jobs,
            }
            click.echo(json.dumps(line))
        else:
            used = f"used {use.last_used}" if use.last_used else "never used"
            made = f"made {key.created_at:%Y-%m-%d}"
            rest = f"{use.open_jobs} open{_describe(key)}{'  own jobs only' * _is_narrow(key)}"
            click.echo(f"{name:<24}  {key.role:<9}  {made}  {used:<15}  {rest}")
    show_unreadable(store.read().unreadable)


@keys.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove a key, and end its sessions in browsers; its jobs continue."""
    from ...store.callers.sessions import Sessions
    from ...store.clock import RedisClock

    store, client = _open_keys(), open_redis()
    store.remove(name)
    Sessions(client, RedisClock(client)).end_of_key(name)
    if not any(store.read()):
        click.echo(
            "that was the last key: unless IMAGEQUEUE_API_KEYS is set, everyone on the API's "
            "machine now has access without a key",
            err=True,
        )


@keys.command()
@click.argument("name")
@per_minute
@open_jobs
@in_flight
@max_priority
@click.option(
    "--budget",
    "budgets",
    multiple=True,
    callback=_parse_budgets,
    help=f"{BUDGET_HELP} Replaces all its budgets.",
)
@click.option("--no-budget", is_flag=True, help="Remove its budgets.")
@click.option("--admin/--no-admin", "is_admin", default=None, help=ADMIN_HELP)
@click.option("--read-only/--no-read-only", "is_read_only", default=None, help=READ_ONLY_HELP)
@role_option
@as_json
def limit(name: str, as_json: bool, no_budget: bool, role: str | None, **changes: Any) -> None:
    """Change a key's limits and rights; what is omitted stays."""
    if role and (changes["is_admin"], changes["is_read_only"]) != (None, None):
        raise _make_role_error()
    changes |= Role(role).rights._asdict() if role else {}
    if no_budget and changes["budgets"]:
        raise click.UsageError("give --budget or --no-budget, not both")
    changes["budgets"] = () if no_budget else changes["budgets"] or None
    if all(each is None for each in changes.values()):
        raise click.UsageError(
            "give --per-minute, --open-jobs or --in-flight, where 0 removes the limit, "
            "--max-priority, --budget, --no-budget, --role, --admin or --read-only"
        )
    key = _open_keys().change(name, **changes)
    words = _describe_rights(key) + _describe(key)
    shown = json.dumps({"name": name, **_to_dict(key)})
    click.echo(shown if as_json else f"{name}{words or '  no limits'}")


def _make_role_error() -> click.UsageError:
    return click.UsageError("give --role, or --admin and --read-only, not both")


def _open_keys() -> ApiKeys:
    from ...store.callers.api_keys import ApiKeys

    return ApiKeys(open_redis())


def _to_dict(key: ApiKey) -> dict[str, Any]:
    limits = {name: limit or None for name, limit in key.limits._asdict().items()}
    rights = {"role": key.role, "admin": key.is_admin, "read_only": key.is_read_only}
    budgets = [str(budget) for budget in key.budgets]
    return {**limits, "max_priority": key.highest_priority, "budgets": budgets, **rights}


def _is_narrow(key: ApiKey) -> bool:
    """Return whether the key reads less than other viewers."""
    return key.role is Role.VIEWER and not key.is_admin


def _describe_rights(key: ApiKey) -> str:
    return "  admin" * key.is_admin + "  read-only" * key.is_read_only


def _describe(key: ApiKey) -> str:
    limits, words = key.limits, ""
    if key.max_priority:
        words += f"  priority {key.max_priority} at most"
    words += "".join(f"  {budget}" for budget in key.budgets)
    bounds = (
        f"{limits.per_minute} a minute",
        f"{limits.open_jobs} open",
        f"{limits.in_flight} sent",
    )
    return words + "".join(
        f"  {text} at most" for limit, text in zip(limits, bounds, strict=True) if limit
    )
