"""The commands on sessions of the dashboard."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from .printing import as_json, open_redis

if TYPE_CHECKING:
    from ...store.callers.sessions import SessionUse


@click.group(invoke_without_command=True)
@as_json
@click.pass_context
def sessions(ctx: click.Context, as_json: bool) -> None:
    """List the browsers that are logged in to the dashboard, and log them out."""
    if ctx.invoked_subcommand:
        return
    from ...store.callers.api_keys import ApiKeys
    from ...store.callers.sessions import Sessions
    from ...store.clock import RedisClock

    client = open_redis()
    roles = {name: key.role.value for name, key in ApiKeys(client).all().items()}
    for each in Sessions(client, RedisClock(client)).list_all():
        # Keys that are not in Redis are in the environment: those are admins.
        role = each.session.role or roles.get(each.session.caller, "admin")
        shown = _to_dict(each, role)
        click.echo(json.dumps(shown) if as_json else _describe(each, role))


@sessions.command()
@click.argument("session_ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "is_all", is_flag=True, help="Every session of every caller.")
def revoke(session_ids: tuple[str, ...], is_all: bool) -> None:
    """End sessions; their browsers have to log in again."""
    from ...store.callers.sessions import Sessions
    from ...store.clock import RedisClock

    if bool(session_ids) == is_all:
        raise click.UsageError("give the ids of sessions, or --all")
    client = open_redis()
    known = Sessions(client, RedisClock(client))
    if is_all:
        count = known.end_all()
    else:
        hashes = {each.id: each.hash for each in known.list_all()}
        if unknown := set(session_ids) - set(hashes):
            raise click.UsageError(
                f"no session is {min(unknown)}; `imagequeue sessions` lists all: nothing was ended"
            )
        count = len(set(session_ids))
        known.end(hashes[each] for each in session_ids)
    click.echo(f"ended {count} session{'s' * (count != 1)}")


def _to_dict(use: SessionUse, role: str) -> dict[str, Any]:
    session = use.session
    return {
        "id": use.id,
        "caller": session.caller,
        "role": role,
        "login": session.login,
        "browser": session.browser,
        "started_at": session.started_at.isoformat(),
        "used_at": use.used_at.isoformat(),
        "ends_at": session.ends_at.isoformat(),
    }


def _describe(use: SessionUse, role: str) -> str:
    session = use.session
    minute = "%Y-%m-%d %H:%M"
    times = f"since {session.started_at:{minute}}  used {use.used_at:{minute}}"
    line = f"{use.id}  {session.caller:<16}  {role:<9}  by {session.login:<4}  {times}"
    return f"{line}  until {session.ends_at:{minute}}  {session.browser}".rstrip()
