"""What providers refuse, lose and bill."""

from __future__ import annotations

import requests

from benchmarks.alerts.scenario import Scenario
from benchmarks.alerts.site import Site

SHOP = "shop"
LITTLE, PLENTY = 300.0, 1e9
"""Credits of a key, with which its jobs use it up, or do not."""


def _top_up(site: Site) -> None:
    assert "credit" in site.run("pauses")
    site.run("costs", "--by", "caller")
    url = f"{site.system.sandbox_url}/sandbox/credit"
    requests.post(url, json={"credit": PLENTY}, timeout=10).raise_for_status()
    site.run("resume", site.log.list_fired()["ImagequeueAccountRefused"].labels["name"])


def _spend_budget(site: Site) -> None:
    site.run("keys", "add", SHOP, "--budget", "0.25usd/day")
    site.submit(9, caller=SHOP)
    site.wait_for("ImagequeueBudgetNearlySpent")
    site.submit(3, caller=SHOP)


def _raise_budget(site: Site) -> None:
    site.run("budgets")
    site.run("costs", "--by", "caller")
    site.run("keys", "limit", SHOP, "--budget", "100usd/day")


def _remove_key(site: Site) -> None:
    assert SHOP in site.run("list", "--state", "failed", "--json")
    site.run("keys", "remove", SHOP)


def _retry_failed(site: Site) -> None:
    site.run("list", "--state", "failed")
    site.run("pause", "kie-flux-kontext")
    site.run("resume", "kie-flux-kontext")
    site.run("retry", "--state", "failed", "--reason", "provider", "--pay-again")


def _check_network(site: Site) -> None:
    site.run("list", "--state", "unconfirmed")


SCENARIOS = (
    Scenario(
        ("ImagequeueCreditLow", "ImagequeueAccountRefused"),
        "two jobs a second, with credit for 60",
        "`pauses`, `costs --by caller`; topped up; `resume kie:sandbox`",
        lambda site: None,
        _top_up,
        lambda site: site.submit(2),
    ),
    Scenario(
        ("ImagequeueBudgetNearlySpent", "ImagequeueBudgetExhausted"),
        "nine jobs of a caller with $0.25 a day, then three more",
        "`budgets`, `costs --by caller`, `keys limit shop --budget`",
        _spend_budget,
        _raise_budget,
    ),
    Scenario(
        ("ImagequeuePolicyRefusals",),
        "30 prompts that kie refuses for their content",
        "`list --state failed`, `keys remove shop`",
        lambda site: site.submit(30, "[fail=400]", caller=SHOP),
        _remove_key,
    ),
    Scenario(
        ("ImagequeueFailureRate",),
        "12 tasks fail with an error of kie",
        "`list --state failed`, `pause`, `resume`, `retry --pay-again`",
        lambda site: site.submit(12, "[fail=500]"),
        _retry_failed,
    ),
    Scenario(
        ("ImagequeueUnconfirmedGrowing",),
        "one response a second is lost, after kie has accepted",
        "`list --state unconfirmed`; the callbacks arrived",
        lambda site: None,
        _check_network,
        lambda site: site.submit(1, "[answer=lost] [callback=late:25]"),
    ),
)
