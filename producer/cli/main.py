"""The command line; modules that are slow to import are imported where they are used."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from types import FrameType

import click

from ... import __version__
from ...config.output import protect_output
from ...errors import ImageQueueError
from .adopt_command import adopt
from .callback_commands import callbacks
from .cost_commands import budgets, costs
from .export_command import export
from .job_commands import JOB_COMMANDS
from .key_commands import keys
from .key_webhook_command import webhook
from .login_command import login, make_login_link
from .pause_commands import pause, pauses, resume
from .printing import as_json
from .provider_commands import providers
from .webhook_commands import webhooks

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
BAD_INPUT = 2
"""Exit status of a refused command; 1 means that a job did not succeed."""

PORT = click.IntRange(1, 65535)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """A job queue for paid image-generation APIs: nothing lost, nothing paid twice."""


for command in JOB_COMMANDS:
    cli.add_command(command)
keys.add_command(webhook)
cli.add_command(adopt)
cli.add_command(budgets)
cli.add_command(callbacks)
cli.add_command(costs)
cli.add_command(export)
cli.add_command(keys)
cli.add_command(login)
cli.add_command(pause)
cli.add_command(pauses)
cli.add_command(providers)
cli.add_command(resume)
cli.add_command(webhooks)


@cli.command()
@as_json
def doctor(as_json: bool) -> None:
    """Check the settings and what they point to; exit status 1 if a check fails."""
    from ..doctor.diagnose import diagnose

    findings = list(diagnose())
    if as_json:
        click.echo(json.dumps([finding._asdict() for finding in findings]))
    else:
        for finding in findings:
            click.echo(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.what}: {finding.detail}")
    sys.exit(0 if all(finding.ok for finding in findings) else 1)


@cli.command()
@click.option("--api-port", type=PORT, default=8000, show_default=True)
@click.option("--callback-port", type=PORT, default=8001, show_default=True)
@click.option("--flower-port", type=PORT, default=5555, show_default=True)
@click.option("--sandbox", is_flag=True, help="Simulate the providers: real images, no bill.")
@click.option("--sandbox-port", type=PORT, default=9000, show_default=True)
def up(
    api_port: int, callback_port: int, flower_port: int, sandbox: bool, sandbox_port: int
) -> None:
    """Run everything on this machine until Ctrl-C, with its own Redis if none is set."""
    from ..local.up import TICK_S, Options, running

    options = Options(
        api_port=api_port,
        callback_port=callback_port,
        flower_port=flower_port,
        sandbox_port=sandbox_port if sandbox else None,
    )
    with _until_stopped(), running(options, _print_line) as system:
        addresses = " ".join(f"{name}={url}" for name, url in options.urls.items())
        click.echo(f"ready {addresses} images={system.settings.images_url}")
        link = make_login_link(system.settings, options.urls["api"])
        click.echo(f"log in once, within 15 minutes: {link}")
        while True:
            system.restart_dead()
            time.sleep(TICK_S)


@cli.command()
@click.option("--keep", is_flag=True, help="Keep it running at the end, until Ctrl-C.")
def demo(keep: bool) -> None:
    """Watch a few jobs on six simulated providers, from prompt to image."""
    from rich.console import Console

    from ..local.demo import demo as run_demo

    with _until_stopped():
        sys.exit(0 if run_demo(Console(), keep) else 1)


@cli.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def sandbox(arguments: tuple[str, ...]) -> None:
    """Run only the simulated providers; `imagequeue sandbox --help` lists the options."""
    os.execv(  # noqa: S606  the same Python, another module
        sys.executable, [sys.executable, "-m", "imagequeue.sandbox", *arguments]
    )


def main() -> None:
    """Run the command line; a refusal is one line on standard error and exit status 2."""
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        click.echo(f"imagequeue: {error.format_message()}", err=True)
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except TimeoutError as error:
        click.echo(f"imagequeue: {error}", err=True)
        sys.exit(1)
    except ImageQueueError as error:
        click.echo(f"imagequeue: {error}", err=True)
        sys.exit(BAD_INPUT)


def _print_line(name: str, line: str) -> None:
    click.echo(f"{name:>10} | {line}")


class _until_stopped:  # noqa: N801  reads as a statement
    """Turn the first SIGTERM or Ctrl-C into a clean exit with status 0; ignore later ones."""

    def __enter__(self) -> None:
        protect_output()  # what it says must not end what it runs
        for number in STOP_SIGNALS:
            signal.signal(number, self._stop)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return kind is KeyboardInterrupt

    @staticmethod
    def _stop(number: int, frame: FrameType | None) -> None:
        for each in STOP_SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        click.echo("stopping after the current work is finished", err=True)
        raise KeyboardInterrupt
