"""Bulk actions on the dashboard: the numbers of a dry run, the confirmation, the result."""

import re

import pytest
import requests

from imagequeue.jobs.job import Reason, State
from imagequeue.producer.dashboard import search
from imagequeue.producer.dashboard.routes import bulk as bulk_routes
from imagequeue.worker.context import Context
from support.callers import Ask
from support.dashboard import get, post
from support.jobs import fail, failed, move, queued, states_of, unsaved


def read_form(html: str) -> dict[str, str]:
    """Return the hidden fields of a page's form."""
    return dict(re.findall(r'<input type="hidden" name="(key|charged)" value="([^"]*)">', html))


def test_links_are_those_that_apply_with_the_number_of_jobs(
    site: str, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def links(query: str) -> dict[str, str]:
        html = get(f"{site}/{query}")
        (bar,) = re.findall(r'<p id="matching".*?</p>', html, re.DOTALL)
        return dict(re.findall(r'href="/bulk/[^"]+">(\w+) ?(.*) …<', bar))

    assert links("?state=queued") == {}
    for _ in range(2):
        queued(ctx)
    queued(ctx, prompt="a dog", provider="acedata-flux")
    assert links("") == {}
    assert links("?state=queued") == {"Cancel": "3"}
    assert "All 3 that match:" in get(f"{site}/?state=queued")
    assert links("?state=succeeded") == {}
    assert links("?q=a+cat") == links("?provider=kie-flux-kontext") == {"Cancel": "2"}
    unsaved(ctx)
    assert links("?state=unsaved") == {"Retry": "1", "Acknowledge": "1"}
    assert links("?q=a+cat") == {"Cancel": "2", "Retry": "1", "Acknowledge": "1"}
    # Of more than a page, only the jobs of a state are counted without reading all of them.
    monkeypatch.setattr(search, "SHOWN", 2)
    assert links("?state=queued") == {"Cancel": "3"}
    assert links("?q=a+cat") == {"Cancel": "", "Retry": "", "Acknowledge": ""}
    assert "All that match:" in get(f"{site}/?q=a+cat")
    fresh = get(f"{site}/chips?state=queued")
    assert ("Cancel 3 …" in fresh, 'id="chips"' in fresh) == (True, True)


def test_selection_offers_what_applies_to_a_job_of_the_page(
    site: str, ask: Ask, ctx: Context
) -> None:
    def offered(html: str) -> list[str]:
        form = html.partition('id="selection"')[2].partition("</form>")[0]
        return re.findall(r'formaction="/bulk/(\w+)"(?![^>]* hidden)', form)

    def show(caller: str, query: str = "") -> str:
        return ask(caller, "GET", f"/{query}", page=True).text

    queued(ctx)
    assert offered(show("admin")) == ["cancel"]
    unsaved(ctx)
    assert offered(show("admin")) == ["cancel", "retry", "acknowledge"]
    viewed = show("wall", "?q=cat")
    assert ("/bulk/" in viewed, "All 2 that match" in viewed) == (False, True)


def test_filtered_jobs_are_cancelled_after_a_dry_run(site: str, ctx: Context) -> None:
    ids = [queued(ctx, prompt=prompt) for prompt in ("a cat", "a cat", "a dog")]
    url = f"{site}/bulk/cancel?state=queued&q=cat"
    html = get(url)
    assert "2 of 2 jobs would be cancelled" in html
    assert "<li>2: free of charge</li>" in html
    assert states_of(ctx, *ids) == ["queued"] * 3
    answer = post(url, **read_form(html))
    assert (answer.status_code, "2 of 2 jobs cancelled" in answer.text) == (200, True)
    assert states_of(ctx, *ids) == ["cancelled", "cancelled", "queued"]


def test_ticked_jobs_are_cancelled_and_no_others(site: str, ctx: Context) -> None:
    first, second, other = (queued(ctx) for _ in range(3))
    html = get(f"{site}/?state=queued")
    boxes = re.findall(r'type="checkbox" name="id" value="(\w+)" form="selection"', html)
    assert boxes == [other, second, first]
    assert '<form id="selection" class="selection" action="/selected.zip">' in html
    # What a browser sends without JavaScript.
    url = f"{site}/bulk/cancel?ticked=yes&state=queued&id={first}&id={second}&id={first}"
    html = get(url)
    assert "the 2 selected jobs" in html
    assert "2 of 2 jobs would be cancelled" in html
    (action,) = re.findall(r'<form method="post" action="(/bulk/[^"]+)"', html)
    answer = post(site + action.replace("&amp;", "&"), **read_form(html))
    assert (answer.status_code, "2 of 2 jobs cancelled" in answer.text) == (200, True)
    assert states_of(ctx, first, second, other) == ["cancelled", "cancelled", "queued"]
    # The form with no tick does not mean all jobs of the filter.
    assert "no job is selected" in get(f"{site}/bulk/cancel?ticked=yes&state=queued", 400)


def test_cancel_says_what_is_not_spent(site: str, ctx: Context) -> None:
    for _ in range(2):
        queued(ctx, provider="kie", params={"model": "z-image"}, prompt="a wrong cat")
    url = f"{site}/bulk/cancel?q=wrong"
    html = get(url)
    (shown,) = set(re.findall("about ([0-9.]+) USD is not spent", html))
    assert float(shown) > 0
    assert f"about {shown} USD is not spent" in post(url, **read_form(html)).text


@pytest.mark.parametrize("ticked", [False, True])
def test_jobs_are_paid_again_only_if_ticked(site: str, ctx: Context, ticked: bool) -> None:
    paid, free = failed(ctx), unsaved(ctx)
    url = f"{site}/bulk/retry?provider=kie-flux-kontext"
    html = get(url)
    assert "Pay again for 1 jobs" in html
    fields = {**read_form(html), **({"pay_again": "yes"} if ticked else {})}
    assert post(url, **fields).status_code == 200
    assert states_of(ctx, paid, free) == ["queued" if ticked else "failed", "downloading"]


def test_form_that_is_sent_twice_pays_once(site: str, ctx: Context) -> None:
    job_id = failed(ctx)
    url = f"{site}/bulk/retry?state=failed"
    fields = {**read_form(get(url)), "pay_again": "yes"}
    assert "1 of 1 jobs started again" in post(url, **fields).text
    fail(ctx, job_id)
    assert "0 of 1 jobs started again" in post(url, **fields).text
    assert ctx.store.get(job_id).state is State.FAILED


def test_more_costs_than_were_confirmed_are_refused(site: str, ctx: Context) -> None:
    ids = [failed(ctx)]
    url = f"{site}/bulk/retry?state=failed"
    fields = {**read_form(get(url)), "pay_again": "yes"}
    ids.append(failed(ctx, Reason.CREDIT))
    answer = post(url, **fields)
    assert (answer.status_code, "more jobs cost something now" in answer.text) == (409, True)
    assert states_of(ctx, *ids) == ["failed", "failed"]
    assert post(url, **read_form(answer.text), pay_again="yes").status_code == 200
    assert states_of(ctx, *ids) == ["queued", "queued"]
    assert post(url, pay_again="yes").status_code == 200  # nothing is left to pay for


def test_only_so_many_jobs_are_changed_in_one_go(
    site: str, ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagequeue.producer.bulk.CHUNK", 2)
    for _ in range(9):
        queued(ctx)
    # Jobs that only an index counts take no time.
    for _ in range(3):
        unsaved(ctx)
    monkeypatch.setattr(bulk_routes, "MAX_AT_ONCE", 4)
    url = f"{site}/bulk/cancel?provider=kie-flux-kontext"
    html = get(url)
    assert "5 jobs are left: 4 are read in one go, newest first." in html
    answer = post(url, **read_form(html))
    assert f'href="{url.removeprefix(site)}">Go on with them' in answer.text
    assert ctx.store.count_by_state()[State.CANCELLED] == 4


def test_form_with_an_endless_number_confirms_nothing(site: str, ctx: Context) -> None:
    job_id = failed(ctx)
    url = f"{site}/bulk/retry?state=failed"
    assert post(url, key="k", charged="9" * 5000, pay_again="yes").status_code == 409
    assert states_of(ctx, job_id) == ["failed"]


def test_action_without_filter_or_of_another_site_is_refused(site: str, ctx: Context) -> None:
    job_id = queued(ctx)
    assert "give at least one of" in get(f"{site}/bulk/cancel", 422)
    get(f"{site}/bulk/delete?state=queued", 422)
    get(f"{site}/bulk/cancel?state=quewed", 400)
    url = f"{site}/bulk/cancel?state=queued"
    answer = requests.post(url, headers={"Origin": "https://evil.example"}, timeout=30)
    assert answer.status_code == 403
    assert states_of(ctx, job_id) == ["queued"]


def test_charge_of_sent_jobs_is_named(site: str, ctx: Context) -> None:
    move(ctx, queued(ctx), State.SUBMITTING, State.WAITING)
    html = get(f"{site}/bulk/cancel?state=waiting")
    assert "1: the charge stands" in html
    assert read_form(html)["charged"] == "1"
