"""What the dashboard says about money: on a job, on its card, and on the page of costs."""

import re
from decimal import Decimal

import pytest

from imagequeue.config.settings import Settings
from imagequeue.jobs.job import State, utc_now
from imagequeue.producer.api.application import create_app
from imagequeue.producer.api.browser import COOKIE
from imagequeue.store.callers.api_keys import ApiKeys, Limits
from imagequeue.worker.context import Context
from support.asgi import serving
from support.dashboard import get
from support.jobs import charged


@pytest.fixture(autouse=True)
def _today(ctx: Context) -> None:
    ctx.now.time = utc_now()  # type: ignore[attr-defined]


def test_cost_of_a_job_is_about_until_it_is_stated(site: str, ctx: Context) -> None:
    job_id = charged(ctx)
    for page in (f"/jobs/{job_id}", "/"):
        assert "about $0.02" in get(site + page)
    job = ctx.store.get(job_id)
    ctx.store.transition(
        job,
        lambda job: job.transition_to(
            State.DOWNLOADING, "test", ctx.now(), ctx.now(), cost=Decimal("3.5")
        ),
    )
    html = get(f"{site}/jobs/{job_id}")
    assert ("$0.0175" in html, "about" in html) == (True, False)
    assert "1 task of unknown price" in get(f"{site}/jobs/{charged(ctx, estimate=None)}")


def test_costs_are_those_of_the_key(settings: Settings, ctx: Context) -> None:
    api_keys = ApiKeys(ctx.store.redis)
    shop = api_keys.add("shop", Limits(), utc_now())
    admin = api_keys.add("boss", Limits(), utc_now(), is_admin=True)
    for caller in ("shop", "other", "a|b"):
        charged(ctx, caller)
    with serving(create_app(settings)) as site:
        own, every = (get(f"{site}/costs", cookies={COOKIE: key}) for key in (shop, admin))
    amounts = [re.findall(r"<strong>(.*?)</strong>", html) for html in (own, every)]
    assert amounts == [["$0.02", "$0.02"], ["$0.06", "$0.06"]]
    assert ("<td>other</td>" in own, "<td>other</td>" in every) == (False, True)
    assert f"<td>{ctx.now().date()}</td>" in every
