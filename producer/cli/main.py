"""The command line; modules that are slow to import are imported where they are used."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import ExitStack, suppress
from types import FrameType
from typing import TYPE_CHECKING

import click

from ... import __version__
from ...config.output import protect_output
from ...errors import ConfigError, ImageQueueError, InvalidRequestError
from .adopt_command import adopt
from .callback_commands import callbacks
from .cost_commands import budgets, costs
from .export_command import export
from .job_commands import JOB_COMMANDS
from .key_commands import keys
from .key_webhook_command import webhook
from .login_command import login
from .pause_commands import pause, pauses, resume
from .printing import as_json, format_place
from .provider_commands import providers
from .session_commands import sessions
from .webhook_commands import webhooks

if TYPE_CHECKING:
    from ...config.settings import Settings
    from ..local.supervisor import WriteLine

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
BAD_INPUT = 2
"""Exit status of a refused command; 1 means that a job did not succeed."""

PORT = click.IntRange(1, 65535)


# What people type, and what it is called here.
OTHER_NAMES = {
    **dict.fromkeys(("show", "get", "info", "inspect"), "status"),
    **dict.fromkeys(("ls", "jobs", "ps", "queue"), "list"),
    **dict.fromkeys(("run", "start", "serve", "server"), "up"),
    **dict.fromkeys(("add", "create", "generate", "edit", "new"), "submit"),
    **dict.fromkeys(("delete", "rm", "stop", "kill"), "cancel"),
    **dict.fromkeys(("check", "health", "test"), "doctor"),
}


class SuggestingGroup(click.Group):
    """Says how a command is called here that other programs call otherwise."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command; raises UsageError with a suggestion for an unknown one."""
        if args and (known := OTHER_NAMES.get(args[0])):
            raise click.UsageError(f"No such command '{args[0]}'. Did you mean '{known}'?", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=SuggestingGroup, context_settings={"help_option_names": ["-h", "--help"]})
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
cli.add_command(sessions)
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
@click.option("--logs", is_flag=True, help="Print the logs here, and not into DATA_DIR/up.log.")
def up(
    api_port: int,
    callback_port: int,
    flower_port: int,
    sandbox: bool,
    sandbox_port: int,
    logs: bool,
) -> None:
    """Run everything on this machine until Ctrl-C, with its own Redis if none is set."""
    from ...config.settings import read_settings
    from ..local.command_name import name_command
    from ..local.log_file import open_log
    from ..local.up import TICK_S, Options, running
    from ..login_link import make_login_link

    options = Options(
        api_port=api_port,
        callback_port=callback_port,
        flower_port=flower_port,
        sandbox_port=sandbox_port if sandbox else None,
    )
    with _until_stopped(), ExitStack() as stack:
        write_line: WriteLine = _print_line
        log = "here"
        if not logs:
            path = read_settings(alone=True).data_dir.resolve() / "up.log"
            write_line, log = stack.enter_context(open_log(path)), str(path)
        click.echo(f"starting; the log is {log}", err=True)
        system = stack.enter_context(running(options, write_line))
        addresses = " ".join(f"{name}={url}" for name, url in options.urls.items())
        click.echo(f"ready {addresses} images={system.settings.images_url}")
        provider = _find_example(system.settings)
        for what, text in {
            "dashboard": make_login_link(system.settings, options.urls["api"]),
            "": "(this link logs in one browser, within 15 minutes)",
            "submit": f"{name_command()} submit {provider} 'a cat in the rain' --wait",
            "images": format_place(system.settings.images_url),
            "logs": log,
        }.items():
            click.echo(f"  {what:<9}  {text}")
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
    except InvalidRequestError as error:
        problems = [str(each) for each in error.problems]
        # Each on a line of its own: a file may have many.
        lines = problems if len(problems) == 1 else ["refused:", *problems]
        click.echo("imagequeue: " + "\n  ".join(lines), err=True)
        sys.exit(BAD_INPUT)
    except ImageQueueError as error:
        click.echo(f"imagequeue: {error}", err=True)
        sys.exit(BAD_INPUT)


def _find_example(settings: Settings) -> str:
    """Return a provider that needs a prompt alone, and that there is a key for."""
    from ...providers import PROVIDERS

    for name, provider in PROVIDERS.items():
        with suppress(ConfigError, InvalidRequestError):
            settings.usable_keys(provider)
            provider.validate_request("generate", "a cat in the rain", [], {})
            return name
    return "PROVIDER"


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
