"""Reports of what was spent: over HTTP, on the command line and in Python."""

import csv
import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from imagequeue.config.settings import Settings
from imagequeue.errors import InvalidRequestError, UnknownBatchError
from imagequeue.jobs.job import State, utc_now
from imagequeue.producer.client import LocalClient
from imagequeue.worker.context import Context
from support.callers import REQUEST, Ask
from support.cli import Ran, imagequeue
from support.jobs import charged

CENTS = {"tasks": 1, "usd": 0.02, "estimated_usd": 0.02, "unknown_usd": 0, "unpriced": 0}
COLUMNS = ["tasks", "usd", "estimated_usd", "unknown_usd", "credits", "unpriced"]


@pytest.fixture(autouse=True)
def _today(ctx: Context) -> None:
    ctx.now.time = utc_now()  # type: ignore[attr-defined]


@pytest.fixture
def client(settings: Settings) -> LocalClient:
    return LocalClient(settings)


@pytest.fixture
def run(overrides: dict[str, str]) -> Any:
    def run(*arguments: str) -> Ran:
        return imagequeue("costs", *arguments, settings=overrides)

    return run


def test_key_reads_the_costs_of_its_own_jobs(ask: Ask, ctx: Context) -> None:
    for caller in ("shop", "other"):
        charged(ctx, caller)

    def read(name: str, query: str) -> Any:
        return ask(name, "GET", f"/v1/costs?{query}").json()["costs"]

    assert read("shop", "by=caller") == [{"caller": "shop", "credits": None, **CENTS}]
    both = [
        {"provider": "kie", "caller": caller, "credits": 4.0, **CENTS}
        for caller in ("other", "shop")
    ]
    assert read("wall", "by=provider,caller") == both
    today = str(ctx.now().date())
    assert [(row["day"], row["tasks"]) for row in read("admin", "")] == [(today, 2)]
    assert read("admin", "until=2026-01-01") == []


def test_costs_of_another_keys_batch_are_not_found(ask: Ask) -> None:
    batch = ask("shop", "POST", "/v1/batches", json={"items": [REQUEST]}).json()["id"]
    assert ask("other", "GET", f"/v1/costs?batch={batch}").status_code == 404
    (row,) = ask("shop", "GET", f"/v1/costs?batch={batch}").json()["costs"]
    assert (row["batch"], row["tasks"], row["usd"]) == (batch, 0, 0)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("by=hour", "by: must be one or more of day, provider"),
        ("by=", "by: must be one or more of day, provider"),
        ("since=2026-02-30", "since: "),
        ("since=2026-02-02&until=2026-02-01", "since: give a range of 1 to 400 days"),
        ("since=2020-01-01", "since: give a range of 1 to 400 days"),
    ],
)
def test_range_that_cannot_be_summed_is_refused(ask: Ask, query: str, words: str) -> None:
    answer = ask("shop", "GET", f"/v1/costs?{query}")
    assert (answer.status_code, answer.json()["detail"].startswith(words)) == (422, True)


def test_parts_of_a_sum_say_what_is_known(client: LocalClient, ctx: Context) -> None:
    charged(ctx)
    charged(ctx, estimate=None)
    stated = ctx.store.get(charged(ctx))
    ctx.store.transition(
        stated,
        lambda job: job.transition_to(
            State.DOWNLOADING, "test", ctx.now(), ctx.now(), cost=Decimal(7)
        ),
    )
    (row,) = client.report_costs("provider")
    assert row.to_fields() == {
        "provider": "kie",
        "tasks": 3,
        "usd": 0.055,
        "estimated_usd": 0.02,
        "unknown_usd": 0,
        "credits": 11,
        "unpriced": 1,
    }


def test_client_sums_days_callers_and_batches(client: LocalClient, ctx: Context) -> None:
    charged(ctx, "shop")
    today = ctx.now().date()
    yesterday = today - timedelta(days=1)
    assert client.report_costs("day", yesterday, yesterday) == []
    assert [row.group for row in client.report_costs("day,caller", today)] == [
        {"day": str(today), "caller": "shop"}
    ]
    assert client.report_costs("day", submitted_by="other") == []
    with pytest.raises(InvalidRequestError, match="by: must be one or more of"):
        client.report_costs("hour")
    with pytest.raises(UnknownBatchError):
        client.report_costs(batch="batch_1")


def test_command_line_prints_a_table_csv_and_json(run: Any, ctx: Context) -> None:
    charged(ctx, "shop")
    today = str(ctx.now().date())
    assert run().out.split()[-6:] == [today, "1", "0.020", "0.020", "0.000", "0"]
    (row,) = csv.DictReader(run("--by", "caller", "--format", "csv").out.splitlines())
    assert (list(row), row["caller"], row["usd"]) == (["caller", *COLUMNS], "shop", "0.02")
    assert json.loads(run("--by", "caller", "--format", "json").out) == [
        {"caller": "shop", "credits": None, **CENTS}
    ]


def test_report_without_rows_keeps_its_form(run: Any) -> None:
    assert run("--caller", "nobody").out == "nothing was spent in this time\n"
    header = run("--by", "day,caller", "--format", "csv").out
    assert header.strip() == ",".join(["day", "caller", *COLUMNS])
    assert json.loads(run("--format", "json").out) == []


def test_command_line_refuses_what_it_cannot_sum(run: Any) -> None:
    for arguments, words in (
        (("--by", "hour"), "by: must be one or more of day"),
        (("--since", "2020-01-01"), "since: give a range of 1 to 400 days"),
        (("--since", "soon"), "does not match the format"),
        (("--batch", "batch_1"), "no batch batch_1"),
    ):
        ran = run(*arguments)
        assert (ran.status, words in ran.err, ran.out) == (2, True, "")
