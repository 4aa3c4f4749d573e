"""Where a queued job stands, in words for the command line and the dashboard."""

from __future__ import annotations

from ..store.submit.positions import Obstacle, QueuePosition

WORDS = {
    Obstacle.TURN: "its turn",
    Obstacle.LIMIT: "the rate limit",
    Obstacle.IN_FLIGHT: "jobs in flight",
    Obstacle.TIME: "its time",
    Obstacle.BUDGET: "a budget",
    Obstacle.PAUSE: "the end of a pause",
    Obstacle.KEY: "a provider key",
    Obstacle.JOB: "another job",
    Obstacle.WORKER: "a worker",
}


def describe_position(position: QueuePosition) -> str:
    """Return what a queued job waits for, how many leave before it, and for how long."""
    reason = f" ({position.reason})" if position.reason else ""
    ahead = f", {position.position} before it" if position.position else ""
    wait = f", about {format_seconds(position.wait_s)}" if position.wait_s else ""
    return f"waits for {WORDS[position.waits_for]}{reason}{ahead}{wait}"


def format_seconds(seconds: float) -> str:
    """Return a duration with its two largest units, such as `2 h 5 min`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    shown = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(shown[:2]) or "0 s"
