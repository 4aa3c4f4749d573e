"""Pausing and resuming by hand, by the command line, the API and the dashboard."""

import json
from typing import Any

import pytest
import requests

from imagequeue.config.settings import Settings
from imagequeue.jobs.job import utc_now
from imagequeue.producer.api.browser import COOKIE
from imagequeue.producer.pauses import PauseControl
from imagequeue.store.callers.api_keys import ApiKeys, Limits
from imagequeue.store.submit.pauses import PauseKind
from imagequeue.worker.context import Context
from support.cli import imagequeue
from support.dashboard import get, post
from support.jobs import queued

NAME = "kie-midjourney"


@pytest.fixture
def control(settings: Settings) -> PauseControl:
    return PauseControl(settings)


@pytest.fixture
def ask(site: str, ctx: Context) -> Any:
    """Sends a request with an API key that is an admin's or not."""
    keys = ApiKeys(ctx.store.redis)
    secrets = {
        name: keys.add(name, Limits(), utc_now(), is_admin=name == "boss")
        for name in ("boss", "shop")
    }

    def send(name: str, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {secrets[name]}"}
        if options.pop("page", False):
            headers = {"Cookie": f"{COOKIE}={secrets[name]}", "Origin": site}
        return requests.request(
            method, site + path, headers=headers, timeout=30, allow_redirects=False, **options
        )

    return send


def names(control: PauseControl) -> list[str]:
    return [pause.name for pause in control.list_all()]


def test_command_line_pauses_lists_and_resumes(overrides: dict[str, str]) -> None:
    def run(*arguments: str) -> str:
        ran = imagequeue(*arguments, settings=overrides)
        assert (ran.status, ran.err) == (0, "")
        return ran.out

    said = json.loads(run("pause", "kie:main", "--reason", "too dear", "--json"))
    assert (said["name"], said["kind"], said["reason"], said["author"], said["until"]) == (
        *("kie:main", "hand", "too dear", "cli"),
        None,
    )
    assert "by cli, until resumed  too dear" in run("pauses")
    run("resume", "kie:main")
    assert run("pauses") == ""
    ran = imagequeue("resume", "kie:main", settings=overrides)
    assert (ran.status, ran.err) == (
        2,
        "imagequeue: kie:main is not paused; `imagequeue pauses` lists what is\n",
    )


def test_name_that_is_not_unicode_is_not_paused(overrides: dict[str, str]) -> None:
    ran = imagequeue("resume", "\udcff", settings=overrides)
    assert (ran.status, "is not paused" in ran.err) == (2, True)


def test_unknown_name_is_refused_with_the_known_ones(overrides: dict[str, str]) -> None:
    ran = imagequeue("pause", "kei:main", settings=overrides)
    assert ran.status == 2
    assert "name: must be one of all, " in ran.err
    assert "kie:main, acedata.flux:main" in ran.err


def test_api_pauses_lists_and_resumes(ask: Any, control: PauseControl) -> None:
    made = ask("boss", "POST", "/v1/pauses", json={"name": NAME, "reason": "spent enough"})
    assert made.status_code == 201, made.text
    assert (made.json()["author"], made.json()["kind"]) == ("boss", "hand")
    assert ask("boss", "GET", "/v1/pauses").json() == {"pauses": [made.json()]}
    assert ask("boss", "DELETE", f"/v1/pauses/{NAME}").status_code == 204
    assert ask("boss", "DELETE", f"/v1/pauses/{NAME}").status_code == 404
    assert names(control) == []


def test_only_an_admin_key_pauses_and_resumes(ask: Any, control: PauseControl) -> None:
    control.pause("all", "", "test")
    for method, path, options in (
        ("POST", "/v1/pauses", {"json": {"name": NAME}}),
        ("DELETE", "/v1/pauses/all", {}),
        ("POST", "/pauses", {"data": {"name": NAME}, "page": True}),
        ("POST", "/pauses/resume", {"data": {"name": "all"}, "page": True}),
    ):
        assert ask("shop", method, path, **options).status_code == 403
    assert "<form" not in get_main(ask("shop", "GET", "/pauses", page=True).text)
    assert names(control) == ["all"]


def get_main(html: str) -> str:
    return html.partition("<main")[2]


def test_dashboard_pauses_and_resumes(site: str, control: PauseControl) -> None:
    assert "Nothing is paused" in get(f"{site}/pauses")
    answer = post(f"{site}/pauses", name=NAME, reason="<b>dear</b>")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/pauses")
    (pause,) = control.list_all()
    assert (pause.name, pause.author, pause.reason) == (NAME, "local", "<b>dear</b>")
    assert "&lt;b&gt;dear" in get(f"{site}/pauses")
    assert f"Paused: {NAME}." in get(f"{site}/")
    assert "must be one of" in post(f"{site}/pauses", name="nothing").text
    post(f"{site}/pauses/resume", name=NAME)
    assert names(control) == []


def test_plain_key_reads_no_message_of_a_provider(ask: Any, ctx: Context) -> None:
    ctx.pauses.pause("kie", "spent enough", "jane", utc_now())
    job_id = queued(ctx, provider="kie-flux-kontext", submitted_by="shop")
    job = ctx.store.get(job_id).model_copy(update={"account_key": "main"})
    ctx.pauses.set_aside(job, "kie", PauseKind.CREDIT, "jane@example.com has 0.2", utc_now())
    for name, is_admin in (("boss", True), ("shop", False)):
        texts = [
            *(ask(name, "GET", f"/v1/{path}").text for path in ("pauses", f"jobs/{job_id}")),
            *(
                ask(name, "GET", path, page=True).text
                for path in ("/pauses", "/", f"/jobs/{job_id}", f"/jobs/{job_id}/card")
            ),
        ]
        for place, text in enumerate(texts):
            assert ("jane@example.com" in text) is is_admin, (name, place)
    pauses = ask("shop", "GET", "/v1/pauses").json()["pauses"]
    assert [(each["kind"], each["reason"], each["author"]) for each in pauses] == [
        ("credit", "", ""),
        ("hand", "spent enough", ""),
    ]
    assert "jane" not in ask("shop", "GET", "/pauses", page=True).text
    reason = ask("shop", "GET", f"/v1/jobs/{job_id}").json()["queue"]["reason"]
    assert reason == "kie:main: credit"
    ctx.pauses.pause("all", "too dear", "jane", utc_now())
    reason = ask("shop", "GET", f"/v1/jobs/{job_id}").json()["queue"]["reason"]
    assert reason == "all: too dear"


def test_page_of_another_site_pauses_nothing(site: str, control: PauseControl) -> None:
    for path in ("/pauses", "/pauses/resume"):
        answer = requests.post(
            site + path,
            data={"name": "all"},
            headers={"Origin": "https://evil.example"},
            timeout=30,
        )
        assert answer.status_code == 403
    assert names(control) == []


@pytest.mark.parametrize("name", ["all", "kie-flux-kontext", "kie:main"])
def test_paused_job_keeps_its_place(ctx: Context, control: PauseControl, name: str) -> None:
    first, second = queued(ctx), queued(ctx)
    control.pause(name, "", "test")
    assert ctx.submits.lease(ctx.now(), 9).job_ids == []
    assert ctx.submits.get_permit(second, ctx.now()) is None
    control.resume(name)
    assert ctx.submits.lease(ctx.now(), 9).job_ids == [first, second]
