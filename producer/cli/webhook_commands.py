"""The commands on webhooks: list and replay dead letters, resend current states."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING

import click

from .printing import as_json, open_client, open_redis, show_unreadable

if TYPE_CHECKING:
    from ...store.webhooks.undelivered import DeadLetter


@click.group()
def webhooks() -> None:
    """Webhooks: how they were delivered, and the dead letters that no receiver accepted."""


@webhooks.command("list")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1))
@as_json
def list_webhooks(limit: int, as_json: bool) -> None:
    """List dead letters, newest first; --json adds their bodies."""
    from ...store.webhooks.undelivered import WebhookOutbox

    outbox = WebhookOutbox(open_redis())
    for letter in islice(outbox.iter_dead_letters(), limit):
        fields = _to_dict(letter)
        if as_json:
            click.echo(json.dumps(fields))
        else:
            click.echo("  ".join(fields[name] for name in ("id", "at", "job_id", "type", "host")))
    show_unreadable(outbox.list_unreadable())


@webhooks.command("log")
@click.argument("job_id")
@as_json
def show_log(job_id: str, as_json: bool) -> None:
    """Show the latest tries to deliver a job's webhooks, oldest first."""
    from ..delivery_text import describe_delivery

    client = open_client()
    for each in client.list_deliveries(client.get(job_id)):
        text = f"{each.at:%Y-%m-%d %H:%M:%S}  {each.event}: {describe_delivery(each)}"
        click.echo(each.model_dump_json() if as_json else text)


@webhooks.command()
@click.argument("ids", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Replay all of them.")
@as_json
def replay(ids: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Send dead letters again, as the same events."""
    from ...store.clock import RedisClock
    from ...store.webhooks.undelivered import WebhookOutbox

    if bool(ids) == everything:
        raise click.UsageError("name the webhooks to replay by their ids, or give --all")
    client = open_redis()
    outbox, now = WebhookOutbox(client), RedisClock(client)
    # Listed first: a webhook that is refused again returns under a new id.
    for letter_id in [letter.id for letter in outbox.iter_dead_letters()] if everything else ids:
        job_id = outbox.replay(letter_id, now())
        _print_ids({"id": letter_id, "job_id": job_id}, as_json)


@webhooks.command()
@click.argument("job_ids", nargs=-1, required=True)
@as_json
def resend(job_ids: tuple[str, ...], as_json: bool) -> None:
    """Send each job's current state as a new event."""
    from ...config.process import start_process
    from ...config.redis import connect
    from ...store.clock import RedisClock
    from ...store.jobs import Store
    from ...store.webhooks.undelivered import WebhookOutbox

    settings = start_process()
    client = connect(settings)
    store = Store(client, settings.images_url)
    jobs = [store.get(job_id) for job_id in dict.fromkeys(job_ids)]
    sent = WebhookOutbox(client).resend(jobs, RedisClock(client)())
    for job, webhook in zip(jobs, sent, strict=True):
        _print_ids({"id": webhook.id, "job_id": job.id}, as_json)


def _to_dict(letter: DeadLetter) -> dict[str, str]:
    from datetime import UTC, datetime

    from ...providers.parsing import parse_host

    webhook = letter.webhook
    return {
        "id": letter.id,
        "at": datetime.fromtimestamp(webhook.at, UTC).isoformat(),
        "job_id": letter.job_id,
        "webhook_id": webhook.id,
        "type": letter.event,
        "host": parse_host(webhook.url),
        "body": webhook.body,
    }


def _print_ids(line: dict[str, str], as_json: bool) -> None:
    click.echo(json.dumps(line) if as_json else "  ".join(line.values()))
