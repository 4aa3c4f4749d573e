"""Each alert on a running system: does it fire, and end once the runbook was followed?

    python -m benchmarks.alerts

A Prometheus scrapes the system every second, with alerts whose times are divided by `--factor`.
Exits with status 1 if an alert does not fire or end, fires for a healthy system, or says something
that is not filled in, or if a panel of the dashboard stays empty.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.alerts import capacity, messages, processes, providers
from benchmarks.alerts.panels import list_empty_panels
from benchmarks.alerts.rules import read_rules
from benchmarks.alerts.scenario import Result, Scenario, play, wait_for_calm, watch_healthy
from benchmarks.alerts.site import Site
from benchmarks.system import exit_on_sigterm

OWN_MOUNTS = "BENCHMARK_HAS_OWN_MOUNTS"
UNSHARE = ("unshare", "--map-root-user", "--mount")
# Credit comes first, while it is low; the restore is last, because it takes the jobs back.
SCENARIOS = (
    *providers.SCENARIOS,
    *messages.SCENARIOS,
    *capacity.SCENARIOS,
    *processes.SCENARIOS,
)


def main() -> None:
    """Play every scenario, print a table, and exit with status 1 if something is wrong."""
    parser = argparse.ArgumentParser(description="Cause the fault of each alert, and mend it.")
    parser.add_argument("--factor", type=int, default=60, help="how much shorter the times are")
    parser.add_argument("--only", nargs="+", default=[], help="alerts; by default all")
    parser.add_argument("--healthy-s", type=float, default=60.0)
    parser.add_argument("--keep", type=Path, help="write logs to this folder")
    options = parser.parse_args()
    if OWN_MOUNTS not in os.environ:
        os.environ[OWN_MOUNTS] = "1"
        os.execvp(UNSHARE[0], [*UNSHARE, *sys.orig_argv])
    exit_on_sigterm()
    chosen = [each for each in SCENARIOS if not options.only or set(each.alerts) & {*options.only}]
    with tempfile.TemporaryDirectory(prefix="alerts-") as temporary:
        folder = (options.keep or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        problems = run(folder, options.factor, options.healthy_s, chosen)
    print("\n".join(problems), flush=True)
    sys.exit(1 if problems else 0)


def run(folder: Path, factor: int, healthy_s: float, scenarios: list[Scenario]) -> list[str]:
    """Play the scenarios, print their table, and return what is wrong."""
    credit = providers.LITTLE if providers.SCENARIOS[0] in scenarios else providers.PLENTY
    site = Site(folder, factor, credit)
    began = time.time()
    try:
        site.start()
        processes.back_up(site)
        wait_for_calm(site)  # the backup has restarted Redis
        problems = [f"fired although healthy: {name}" for name in watch_healthy(site, healthy_s)]
        print(
            "| alert | cause | fired after | what was done | ended after |\n|---|---|---|---|---|"
        )
        caused = set()
        for scenario in scenarios:
            results, also = play(site, scenario)
            print("\n".join(map(_format_row, results)), flush=True)
            caused.update(scenario.alerts)
            problems += [f"{each.alert}: {each.problem}" for each in results if each.problem]
            if also:
                print(f"also fired: {', '.join(also)}", file=sys.stderr, flush=True)
        if scenarios == list(SCENARIOS):
            alerts = {rule["alert"] for group in read_rules()["groups"] for rule in group["rules"]}
            problems += [f"not caused: {name}" for name in sorted(alerts - caused)]
            empty = list_empty_panels(site.prometheus, began, time.time())
            problems += [f"empty panel: {name}" for name in empty]
        return problems
    finally:
        site.stop()


def _format_row(result: Result) -> str:
    fired, ended = (
        "never" if seconds is None else f"{max(seconds, 0):.0f} s"
        for seconds in (result.fired_after_s, result.ended_after_s)
    )
    return f"| `{result.alert}` | {result.cause} | {fired} | {result.remedy} | {ended} |"


if __name__ == "__main__":
    main()
