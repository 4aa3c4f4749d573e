"""The command `python -m imagequeue.sandbox`."""

from __future__ import annotations

import socket

import click

from .faults.faults import FaultError
from .faults.rates import RATES, Rates
from .options import Options
from .server import serve


class _CannotListenError(click.ClickException):
    exit_code = 2


def _parse_rates(context: click.Context, option: click.Parameter, pairs: tuple[str, ...]) -> object:
    """Return the rates in `NAME=RATE` pairs; raises BadParameter with the first invalid one."""
    try:
        rates = {name: float(rate) for name, _, rate in (pair.partition("=") for pair in pairs)}
        Rates(rates, seed=0)
    except FaultError as error:
        raise click.BadParameter(str(error)) from error
    except ValueError as error:
        raise click.BadParameter("write NAME=RATE, such as answer_lost=0.05") from error
    return rates


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=9000,
    show_default=True,
    help="0 chooses a free port.",
)
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Sandbox seconds per real second.",
)
@click.option(
    "--latency",
    "latency_s",
    type=click.FloatRange(min=0),
    default=2.0,
    show_default=True,
    help="Sandbox seconds that a task takes.",
)
@click.option(
    "--kie-limit",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="New kie tasks for each key in 10 sandbox seconds; 0 means no limit.",
)
@click.option(
    "--acedata-limit",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="The same for AceData.",
)
@click.option(
    "--credit",
    type=click.FloatRange(min=0),
    default=Options().credit,
    help="Opening credit of each key; POST /sandbox/credit adds to it.",
)
@click.option("--real-429", is_flag=True, help="kie's rate limit is a real HTTP 429.")
@click.option("--only-edit", is_flag=True, help="AceData refuses the action `edits`.")
@click.option("--kie-webhook-hmac-key", default="", help="Sign kie's callbacks with this key.")
@click.option(
    "--faults",
    multiple=True,
    callback=_parse_rates,
    metavar="NAME=RATE",
    help=f"Faults by chance, from 0 to 1, repeatable: {', '.join(RATES)}.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the random --faults.")
@click.option(
    "--log",
    type=click.File("a", encoding="utf-8", lazy=False),
    help="Append each accepted submission to this file as a line of JSON.",
)
def main(host: str, port: int, **options: object) -> None:
    """Simulate kie.ai and AceData on this machine: real images, no bill."""
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        reason = str(error.strerror).partition(" (")[0]  # the brackets repeat the address
        raise _CannotListenError(f"cannot listen on {host}:{port}: {reason}") from error
    serve(Options(**options), listener)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(prog_name="python -m imagequeue.sandbox")
