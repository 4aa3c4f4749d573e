"""Dashboard, alerts and metrics fit together, as checked by promtool."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import requests
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from imagequeue.config.budgets import Budget
from imagequeue.config.settings import Settings
from imagequeue.jobs.callback import Outcome
from imagequeue.jobs.charge import REPORTED_CAUSES
from imagequeue.jobs.job import Reason, State, utc_now
from imagequeue.producer.api.application import create_app
from imagequeue.producer.metrics.families import ANSWERS
from imagequeue.store.counters import BUCKETS_MS, Counters, PendingCounts
from imagequeue.store.deployment.processes import ProcessKind
from imagequeue.worker.context import Context
from support.asgi import serving
from support.paths import ROOT
from support.processes import eventually
from support.stub import Stub

DEPLOY = ROOT / "deploy"
PROMETHEUS = DEPLOY / "prometheus"
DASHBOARD = json.loads((DEPLOY / "grafana" / "imagequeue.json").read_text())
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
ALERTS: list[dict[str, Any]] = [
    rule
    for group in YAML(typ="safe").load(PROMETHEUS / "alerts.yml")["groups"]
    for rule in group["rules"]
]
SHOWN = [target["expr"] for panel in PANELS for target in panel["targets"]]
EXPRESSIONS = [*SHOWN, *(rule["expr"] for rule in ALERTS)]
NAME = re.compile(r"\bimagequeue_\w+")
SELECTOR = re.compile(r"(imagequeue_\w+)\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)(?:=~|!~|!=|=)"([^"]*)"')
GROUPED = re.compile(r"\b(?:by|on) \(([^)]*)\)")
AGGREGATED = re.compile(r"(max|min|sum|histogram_quantile)\b")
SUFFIXES = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}


def promtool(*arguments: str | Path, stdin: str = "") -> str:
    if shutil.which("promtool") is None:
        assert not os.environ.get("CI"), "promtool is missing: .ci/run installs it"
        pytest.skip("promtool is missing: install Debian's `prometheus`")
    command = ["promtool", *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True)
    # It reports a faulty scrape on standard error, with status 0.
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def scrape(settings: Settings, ctx: Context, stub: Stub) -> Iterator[str]:
    """A scrape with a sample of everything."""
    tally = PendingCounts()
    for state in State:
        tally[f"jobs.{state}.kie-midjourney"] += 1
        tally.observe(f"stage.{state}", 5000)
    tally["transitions.waiting.downloading.poll"] += 1
    tally["callbacks.settled"] += 1
    Counters(ctx.store.redis).add(tally)
    ctx.store.redis.hset("iq:open", "shop", 1)
    ctx.store.redis.hset(f"iq:spent:{utc_now():%Y-%m}", "usd|shop", 1)
    ctx.pauses.pause("all", "", "", ctx.now())
    limits = {
        "kie_rate_limit": (20, 10.0),
        "kie_max_in_flight": 100,
        "kie_base_url": stub.url,
        "budgets": (Budget.parse("20usd/day"),),
    }
    stub.answer = lambda *_: (200, {"code": 200, "data": 1})
    with serving(create_app(settings.model_copy(update=limits))) as url:

        def read_all() -> str:
            text = requests.get(f"{url}/metrics", timeout=30).text
            return text if "imagequeue_credit{" in text else ""

        yield eventually(read_all)


def families(scrape: str) -> list[Metric]:
    return list(text_string_to_metric_families(scrape))


def names(family: Metric) -> set[str]:
    return {f"{family.name}{suffix}" for suffix in SUFFIXES.get(family.type, [""])}


def values_of(label: str) -> set[str]:
    """The values that a label of ours can have."""
    bounds = {str(ms / 1000) for ms in BUCKETS_MS}
    known: dict[str, Any] = {
        "reason": Reason,
        "answer": ANSWERS,
        "outcome": Outcome,
        "le": bounds,
        "kind": ProcessKind,
        "cause": REPORTED_CAUSES,
        "name": {"all"},
        "period": {"day", "month"},
    }
    return set(known.get(label, State))


def test_scrape_passes_promtool(scrape: str) -> None:
    promtool("check", "metrics", stdin=scrape)
    assert all(family.documentation.endswith(".") for family in families(scrape))


def test_rules_and_configuration_are_valid() -> None:
    assert f"{len(ALERTS)} rules found" in promtool("check", "rules", PROMETHEUS / "alerts.yml")
    promtool("check", "config", PROMETHEUS / "prometheus.yml")
    # Its key is mounted in the container alone.
    promtool("check", "config", "--syntax-only", PROMETHEUS / "compose.yml")


def test_each_alert_fires_and_stays_quiet() -> None:
    files = (PROMETHEUS / "alerts_test.yml", PROMETHEUS / "alerts_slow_test.yml")
    promtool("test", "rules", *files)
    tests = [test for file in files for test in YAML(typ="safe").load(file)["tests"]]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    seen = {(case["alertname"], bool(case["exp_alerts"])) for case in cases}
    assert seen == {(rule["alert"], fires) for rule in ALERTS for fires in (True, False)}


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_alert_has_a_description_and_an_action(rule: dict[str, Any]) -> None:
    assert list(rule["annotations"]) == ["summary", "description", "action", "runbook_url"]
    assert rule["labels"]["severity"] in ("critical", "warning")


def test_each_alert_leads_to_its_entry_in_the_runbook() -> None:
    headings = re.findall(r"(?m)^## (\w+)$", (ROOT / "docs" / "runbook.md").read_text())
    assert headings == [rule["alert"] for rule in ALERTS]
    site = "{{ $externalLabels.imagequeue_docs }}/docs/runbook/"
    for rule in ALERTS:
        assert rule["annotations"]["runbook_url"] == f"{site}#{rule['alert'].lower()}"


def test_dashboard_queries_are_valid(tmp_path: Path) -> None:
    """promtool checks rules, so each query becomes one."""
    rules = [
        {"record": f"panel:{number}", "expr": expr.replace("$__rate_interval", "5m")}
        for number, expr in enumerate(SHOWN)
    ]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"{len(SHOWN)} rules found" in promtool("check", "rules", path)


def test_every_metric_is_shown_and_no_other_is_queried(scrape: str) -> None:
    exported = [names(family) for family in families(scrape)]
    queried = {name for expr in EXPRESSIONS for name in NAME.findall(expr)}
    assert queried - set().union(*exported) == set()
    shown = {name for expr in SHOWN for name in NAME.findall(expr)}
    assert [names for names in exported if not names & shown] == []


def test_queries_use_exported_labels_and_possible_values(scrape: str) -> None:
    labels: dict[str, set[str]] = {"up": {"job"}}
    for family in families(scrape):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    for expr in EXPRESSIONS:
        for name, matchers in SELECTOR.findall(expr):
            for label, value in MATCHER.findall(matchers):
                assert label in labels[name], expr
                assert set(value.split("|")) <= values_of(label), expr
        known = set().union(*(labels[name] for name in NAME.findall(expr)), labels["up"])
        for group in GROUPED.findall(expr):
            assert set(filter(None, group.split(", "))) <= known, expr


def test_dashboard_can_be_imported() -> None:
    assert {"uid", "title", "schemaVersion", "time", "refresh"} <= DASHBOARD.keys()
    assert "id" not in DASHBOARD, "Grafana gives it"
    (variable,) = DASHBOARD["templating"]["list"]
    assert (variable["name"], variable["type"], variable["query"]) == (
        *("datasource", "datasource"),
        "prometheus",
    )
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_panel_has_title_description_and_source(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    # A heatmap has its unit on the axis.
    has_unit = panel["type"] == "heatmap" or panel["fieldConfig"]["defaults"]["unit"]
    assert has_unit
    sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)
    refs = [target["refId"] for target in panel["targets"]]
    assert len(set(refs)) == len(refs) > 0


def test_lines_go_on_after_the_api_was_replaced() -> None:
    # Else its new address is a new line, which the legend lists again.
    assert not [expression for expression in SHOWN if not AGGREGATED.match(expression)]


def test_panels_do_not_overlap() -> None:
    places = [(panel["title"], panel["gridPos"]) for panel in DASHBOARD["panels"]]
    assert [title for title, at in places if at["x"] + at["w"] > 24] == []
    covered = [
        (one, other)
        for (one, a), (other, b) in combinations(places, 2)
        if a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"]
        if a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"]
    ]
    assert covered == []
