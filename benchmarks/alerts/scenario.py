"""A fault, the alerts that it causes, and how a person on call mends it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from benchmarks.alerts.prometheus import Firing
from benchmarks.alerts.site import Site

RUNBOOK = "https://docs.example.com/docs/runbook/#"
CALM_WITHIN_S = 240.0


class Scenario(NamedTuple):
    """One fault."""

    alerts: tuple[str, ...]
    cause: str
    remedy: str
    break_it: Callable[[Site], object]
    """Causes the fault; it may wait for the first alerts itself."""
    mend: Callable[[Site], object]
    """Does what the runbook says."""
    meanwhile: Callable[[Site], object] = lambda site: None
    """Called once a second until all alerts fire, for faults that have to grow."""


class Result(NamedTuple):
    """What one alert did."""

    alert: str
    cause: str
    remedy: str
    fired_after_s: float | None
    """From the beginning of the fault; None if it never fired."""
    ended_after_s: float | None
    """From the end of the remedy; 0 if it ended before, None if it did not end."""
    problem: str
    """What is wrong with it; empty if nothing is."""


def play(site: Site, scenario: Scenario) -> tuple[list[Result], list[str]]:
    """Cause a fault, wait for its alerts, mend it, and wait for their end.

    Also returns the other alerts that fired meanwhile.
    """
    problems: list[str] = []
    _attempt(problems, lambda: wait_for_calm(site))
    site.log.clear()
    started = time.monotonic()

    def cause() -> None:
        scenario.break_it(site)
        site.wait_for(*scenario.alerts, meanwhile=lambda: scenario.meanwhile(site))

    _attempt(problems, cause)
    _attempt(problems, lambda: scenario.mend(site))
    mended = time.monotonic()
    ended = site.wait_for_end(scenario.alerts)
    fired = site.log.list_fired()
    results = [
        Result(
            name,
            scenario.cause,
            scenario.remedy,
            fired[name].at - started if name in fired else None,
            ended[name] - mended if name in ended else None,
            "; ".join((*problems, *_list_faults(name, fired.get(name), ended.get(name)))),
        )
        for name in scenario.alerts
    ]
    return results, sorted(fired.keys() - set(scenario.alerts))


def _attempt(problems: list[str], act: Callable[[], object]) -> None:
    """Do something, and add what goes wrong: one fault must not hide the others."""
    try:
        act()
    except Exception as error:
        problems.append(f"{type(error).__name__}: {error}")


def _list_faults(name: str, firing: Firing | None, ended: float | None) -> Iterator[str]:
    """Yield what is wrong with an alert, its words included."""
    if firing is None:
        yield "did not fire"
        return
    if ended is None:
        yield "did not end"
    for annotation, text in firing.annotations.items():
        if not text or "<no value>" in text or "{{" in text or "<error" in text:
            yield f"{annotation}: {text!r}"
    if firing.annotations["runbook_url"] != RUNBOOK + name.lower():
        yield f"runbook_url: {firing.annotations['runbook_url']}"


def wait_for_calm(site: Site) -> None:
    """Return once no alert fires or is about to; what a fault left behind has to end, too."""
    deadline = time.monotonic() + CALM_WITHIN_S
    while site.log.active:
        if time.monotonic() > deadline:
            raise TimeoutError(f"still firing: {', '.join(sorted(site.log.active))}")
        time.sleep(1)


def watch_healthy(site: Site, seconds: float) -> list[str]:
    """Let a healthy system work for so long, and return the alerts that fire."""
    site.log.clear()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        site.submit(1, provider="acedata-flux")
        time.sleep(2)
    return sorted(site.log.list_fired())
