"""The commands on webhooks: those that nobody took, and those that are to be told again."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING

import click

from .job_commands import as_json

if TYPE_CHECKING:
    import redis

    from ...store.webhooks import DeadLetter


@click.group()
def webhooks() -> None:
    """Webhooks that nobody took in time: they are kept, up to a bound."""


@webhooks.command("list")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1))
@as_json
def list_webhooks(limit: int, as_json: bool) -> None:
    """List what was given up, newest first; --json shows the bodies too."""
    from ...store.webhooks import WebhookOutbox

    for letter in islice(WebhookOutbox(_connected()).iter_dead_letters(), limit):
        shown = _shown(letter)
        if as_json:
            click.echo(json.dumps(shown))
        else:
            click.echo("  ".join(shown[name] for name in ("id", "at", "job_id", "type", "host")))


@webhooks.command()
@click.argument("ids", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that were given up.")
@as_json
def replay(ids: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Send webhooks that were given up once more, as the events that they are."""
    from ...jobs.job import utc_now
    from ...store.webhooks import WebhookOutbox

    if bool(ids) == everything:
        raise click.UsageError("name the webhooks to replay by their ids, or give --all")
    outbox = WebhookOutbox(_connected())
    # Listed first: what is refused at once comes back under a new id.
    for letter_id in [letter.id for letter in outbox.iter_dead_letters()] if everything else ids:
        job_id = outbox.replay(letter_id, utc_now())
        _tell({"id": letter_id, "job_id": job_id}, as_json)


@webhooks.command()
@click.argument("job_ids", nargs=-1, required=True)
@as_json
def resend(job_ids: tuple[str, ...], as_json: bool) -> None:
    """Tell of jobs as they are now, in new events."""
    from ...jobs.job import utc_now
    from ...store.jobs import Store
    from ...store.webhooks import WebhookOutbox

    client = _connected()
    store = Store(client)
    jobs = [store.get(job_id) for job_id in dict.fromkeys(job_ids)]
    for job, webhook in zip(jobs, WebhookOutbox(client).resend(jobs, utc_now()), strict=True):
        _tell({"id": webhook.id, "job_id": job.id}, as_json)


def _connected() -> redis.Redis:
    from ...config.process import start_process
    from ...config.redis import connect

    return connect(start_process())


def _shown(letter: DeadLetter) -> dict[str, str]:
    from datetime import UTC, datetime

    from ...providers.parsing import parse_host

    webhook = letter.webhook
    return {
        "id": letter.id,
        "at": datetime.fromtimestamp(webhook.at, UTC).isoformat(),
        "job_id": letter.job_id,
        "webhook_id": webhook.id,
        "type": json.loads(webhook.body)["type"],
        "host": parse_host(webhook.url),
        "body": webhook.body,
    }


def _tell(line: dict[str, str], as_json: bool) -> None:
    click.echo(json.dumps(line) if as_json else "  ".join(line.values()))
