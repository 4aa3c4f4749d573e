"""The alerts of `benchmarks.alerts` are those of deploy/, with every time divided."""

import re
from typing import Any

from benchmarks.alerts.rules import read_rules, shorten


def expressions(rules: dict[str, Any]) -> list[str]:
    return [rule["expr"] for group in rules["groups"] for rule in group["rules"]]


def test_every_time_is_divided() -> None:
    rule = {
        "for": "1h",
        "expr": "a_seconds > 3600 and max(b_seconds) > 60 and 86400 * deriv(c[1d]) < 3 "
        'and d offset 7d == 5 and increase(e_seconds_bucket{le="60.0"}[30m]) > 100',
    }
    ((shorter,),) = [
        each["rules"] for each in shorten({"groups": [{"rules": [rule]}]}, 60)["groups"]
    ]
    assert shorter["for"] == "60000ms"
    assert shorter["expr"] == (
        "a_seconds > 60.0 and max(b_seconds) > 1.0 and 1440.0 * deriv(c[1440000ms]) < 3 "
        'and d offset 10080000ms == 5 and increase(e_seconds_bucket{le="1.0"}[30000ms]) > 100'
    )


def test_no_alert_keeps_a_time_that_is_not_divided() -> None:
    shorter = shorten(read_rules(), 60)
    for long, short in zip(expressions(read_rules()), expressions(shorter), strict=True):
        times = re.findall(r"\d+[smhd]\b|\b(?:60(?:\.0)?|3600|86400)\b", long)
        assert not {each for each in times if re.search(rf"\b{each}\b", short)}, short
    assert all(
        rule.get("for", "0ms").endswith("ms")
        for group in shorter["groups"]
        for rule in group["rules"]
    )
