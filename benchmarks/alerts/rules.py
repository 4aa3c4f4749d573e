"""The alerts with every time divided by a factor, so that an hour of theirs passes in a minute."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from benchmarks.system import ROOT

ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
SECONDS_IN = {"s": 1, "m": 60, "h": 3600, "d": 86400}
DURATION = re.compile(r"(?P<before>\[|offset )(?P<duration>\d+[smhd])")
# A number of seconds is compared with a metric, bounds a bucket, or makes hours or days of a pace.
FIGURES = (
    re.compile(r"(?<=_seconds > )(?P<number>\d+)"),
    re.compile(r"(?<=_seconds\) > )(?P<number>\d+)"),
    re.compile(r'(?<=_seconds_bucket\{le=")(?P<number>[\d.]+)'),
    re.compile(r"(?P<number>\d+)(?= \* deriv\()"),
)


def read_rules() -> dict[str, Any]:
    """Return the rules as they are delivered."""
    rules: dict[str, Any] = YAML(typ="safe").load(ALERTS)
    return rules


def shorten(rules: dict[str, Any], factor: int) -> dict[str, Any]:
    """Return the same rules in which each duration and number of seconds is `factor` times less."""
    groups = [
        {**group, "rules": [_shorten_rule(rule, factor) for rule in group["rules"]]}
        for group in rules["groups"]
    ]
    return {"groups": groups}


def write_rules(rules: dict[str, Any], path: Path) -> None:
    """Write rules as a file for Prometheus."""
    YAML(typ="safe").dump(rules, path)


def _shorten_rule(rule: dict[str, Any], factor: int) -> dict[str, Any]:
    times = {
        name: _divide_duration(rule[name], factor)
        for name in ("for", "keep_firing_for")
        if name in rule
    }
    return {**rule, **times, "expr": _shorten_expression(rule["expr"], factor)}


def _shorten_expression(expression: str, factor: int) -> str:
    shorter = DURATION.sub(
        lambda found: found["before"] + _divide_duration(found["duration"], factor), expression
    )
    for figure in FIGURES:
        shorter = figure.sub(lambda found: str(float(found["number"]) / factor), shorter)
    return shorter


def _divide_duration(duration: str, factor: int) -> str:
    seconds = int(duration[:-1]) * SECONDS_IN[duration[-1]]
    return f"{seconds * 1000 // factor}ms"
