"""The page of operations: processes, queues, keys, pauses and costs, for admin keys alone."""

import re

import pytest

from imagequeue.jobs.job import utc_now
from imagequeue.store.deployment.processes import ProcessKind
from imagequeue.worker.context import Context
from support.callers import Ask
from support.dashboard import beat, get, post
from support.jobs import charged
from support.metrics import add_results


@pytest.fixture(autouse=True)
def _today(ctx: Context) -> None:
    ctx.now.time = utc_now()  # type: ignore[attr-defined]


def rows(html: str, name: str) -> list[list[str]]:
    """Return the cells of the table in a region, without their markup."""
    (table,) = re.findall(rf'aria-label="{name}">(.*?)</table>', html, re.DOTALL)
    found = re.findall(r"<tr>(.*?)</tr>", table.partition("<tbody>")[2], re.DOTALL)
    cells = (re.findall(r"<td>(.*?)</td>", row, re.DOTALL) for row in found)
    return [[re.sub("<.*?>", "", cell).strip() for cell in row] for row in cells]


def test_page_shows_processes_and_what_is_missing(site: str, ctx: Context) -> None:
    assert "No worker for the queue submit: start one" in get(f"{site}/operations")
    beat(ctx)
    html = get(f"{site}/operations")
    # The API may have said that it runs, too.
    assert "worker" in [row[0] for row in rows(html, "Processes")]


def test_page_shows_what_waits_and_how_it_ended(site: str, ctx: Context) -> None:
    add_results(ctx, "callback", "poll", "poll")
    html = get(f"{site}/operations")
    assert "1 by callback, 2 by poll" in html
    due = {name: int(count) for name, _, count, *_ in rows(html, "Queues")}
    assert (due["submit"], due["download"]) == (1, 3)
    assert "kie main" in [row[0] for row in rows(html, "Keys")]


def test_page_shows_costs_of_today_and_this_month(site: str, ctx: Context) -> None:
    charged(ctx, "shop")
    html = get(f"{site}/operations")
    assert rows(html, "Spent by caller") == [["shop", "$0.02", "$0.02"]]
    assert rows(html, "Spent by provider") == [["kie", "$0.02", "$0.02"]]


def test_pause_can_be_begun_and_ended_there(site: str) -> None:
    assert "Nothing is paused." in get(f"{site}/operations")
    assert post(f"{site}/pauses", name="all", reason="a test").status_code == 303
    html = get(f"{site}/operations")
    assert ("a test" in html, "Resume all" in html) == (True, True)


def test_page_is_for_admin_keys(ask: Ask) -> None:
    statuses = [
        ask(name, "GET", "/operations", page=True).status_code for name in ("shop", "admin", "wall")
    ]
    assert statuses == [403, 200, 200]
    assert "Resume" not in ask("wall", "GET", "/operations", page=True).text
    for name, shown in (("shop", False), ("admin", True)):
        assert ('href="/operations"' in ask(name, "GET", "/", page=True).text) is shown


def test_list_is_live_only_while_a_worker_lives(site: str, ctx: Context) -> None:
    beat(ctx, ProcessKind.API)
    assert 'data-live="no worker runs"' in get(site)
    beat(ctx)
    assert 'data-live="live"' in get(site)
