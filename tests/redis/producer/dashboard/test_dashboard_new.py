"""The page of a new job: its form, its errors, its cost, and the job that it makes."""

import re
from typing import Any

import pytest

from imagequeue.config.settings import Settings
from imagequeue.producer.dashboard.rendering import templates
from imagequeue.producer.dashboard.request_form import list_choices
from imagequeue.store.images.uploads import Uploads
from imagequeue.worker.context import Context
from support.callers import Ask
from support.dashboard import SCRIPT, get, saved
from support.jobs import queued
from support.worker.downloads import make_image

KIND = "kie-flux-kontext/generate/"
EDIT = "kie-flux-kontext/edit/"


def send(ask: Ask, name: str = "shop", files: Any = (), **texts: str) -> Any:
    fields = {"kind": KIND, "then": "submit", "key": "k1", **texts}
    parts = [(field, (None, text)) for field, text in fields.items()]
    # As a browser does for a file field without a file.
    parts += list(files) or [("image", ("", b"", "application/octet-stream"))]
    return ask(name, "POST", "/new", page=True, files=parts)


def test_form_has_the_fields_of_the_schema(site: str) -> None:
    assert 'value="kie-flux-kontext/generate/"' in get(f"{site}/new")
    html = get(f"{site}/new", params={"kind": KIND})
    for words in (
        '<textarea id="prompt" name="prompt" rows="5" required',
        '<option value="flux-kontext-pro" selected>',
        '<option value="">not set</option>',
        'name="params.safety_tolerance" type="number" value="" step="1" min="0" max="6"',
        "0 is strict, 6 lenient",
        "Expected cost: <strong>about $0.025</strong>",
    ):
        assert words in html, words
    assert 'type="file"' not in html
    assert 'type="file"' in get(f"{site}/new", params={"kind": EDIT})


def test_every_kind_of_request_has_a_form_that_reads_back(settings: Settings) -> None:
    for choice in list_choices(settings):
        given = {"params": {"model": choice.details.model}} if choice.details.model else {}
        read = choice.read({name: text for name, text in choice.fill(given).items() if text})
        assert read["params"].get("model", choice.details.model) == choice.details.model
        assert "<form" in templates.get_template("new.html").render(
            choices={},
            choice=choice,
            fields=choice.fields,
            texts={},
            key="",
            problems=[],
            cost="",
            image="",
            priorities=["normal"],
        )


def test_form_submits_one_job_however_often_it_is_sent(ask: Ask, ctx: Context) -> None:
    texts = {"prompt": "two\r\nlines", "params.aspect_ratio": "16:9", "params.upload_cn": "false"}
    answers = [send(ask, **texts, **{"params.safety_tolerance": "6"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    where = {answer.headers["Location"] for answer in answers}
    (job_id,) = re.findall(r"/jobs/(\w+)\?done=submitted", *where)
    job = ctx.store.get(job_id)
    assert (job.prompt, job.submitted_by, job.action) == ("two\nlines", "shop", "generate")
    assert job.params == {
        "aspect_ratio": "16:9",
        "upload_cn": False,
        "safety_tolerance": 6,
    }
    other = send(ask, prompt="another")
    assert (other.status_code, "was sent before" in other.text) == (409, True)
    (key,) = re.findall(r'name="key" value="([^"]+)"', other.text)
    assert send(ask, prompt="another", key=key).status_code == 303


def test_errors_stand_at_their_fields_with_what_was_typed(ask: Ask) -> None:
    answer = send(ask, prompt=SCRIPT, **{"params.safety_tolerance": "9", "params.watermark": "me"})
    assert answer.status_code == 422
    assert 'id="params.safety_tolerance-wrong">Input should be less than' in answer.text
    assert 'aria-describedby="params.safety_tolerance-note params.safety_tolerance-wrong"' in (
        answer.text
    )
    for words in ('value="9"', 'value="me"', "&lt;script&gt;", 'value="k1"'):
        assert words in answer.text, words
    assert "<script>" not in answer.text
    assert ask("shop", "GET", "/", page=True).text.count('class="card"') == 0


def test_chosen_files_outlive_an_error(ask: Ask, ctx: Context) -> None:
    cat = [("image", ("cat.png", make_image("PNG"), "image/png"))]
    answer = send(ask, files=cat, kind=EDIT, prompt="")
    (upload,) = re.findall(r"upload_01\w+", answer.text)
    assert (answer.status_code, 'id="prompt-wrong">must not be empty' in answer.text) == (422, True)
    assert send(ask, kind=EDIT, prompt="a hat", image_urls=upload).status_code == 303
    assert len(list((ctx.settings.data_dir / "images" / "uploads").iterdir())) == 1
    for _ in range(2):
        answer = send(ask, files=cat, kind=EDIT, prompt="a tie", key="sent twice")
        assert answer.status_code == 303
    assert len(list((ctx.settings.data_dir / "images" / "uploads").iterdir())) == 2
    broken = [("image", ("cat.png", b"no image", "image/png"))]
    answer = send(ask, files=broken, kind=EDIT, prompt="a hat", key="k2")
    assert (answer.status_code, 'id="image_urls-wrong"' in answer.text) == (422, True)
    assert "a hat" in answer.text
    assert Uploads(ctx.store.redis).get_many([upload])


def test_cost_is_shown_without_a_job(ask: Ask) -> None:
    answer = send(ask, then="estimate", prompt="a cat", **{"params.model": "flux-kontext-max"})
    assert (answer.status_code, "about $0.05" in answer.text) == (200, True)
    assert 'class="card"' not in ask("shop", "GET", "/", page=True).text


@pytest.mark.parametrize(("name", "status"), [("reader", 403), ("limited", 429)])
def test_rights_and_limits_are_those_of_the_api(ask: Ask, name: str, status: int) -> None:
    for n in range(2):
        send(ask, name, prompt="a cat", key=f"k{n}")
    answer = send(ask, name, prompt="a dog", key="k3")
    assert answer.status_code == status
    assert ("a dog" in answer.text) is (status == 429)
    page = ask(name, "GET", "/", page=True).text
    assert ('href="/new"' in page) is (name != "reader")
    assert ask(name, "GET", "/new", page=True).status_code == (403 if name == "reader" else 200)


def test_form_of_another_site_submits_nothing(ask: Ask, site: str) -> None:
    parts = {"kind": (None, KIND), "prompt": (None, "a cat")}
    headers = {"Origin": "https://evil.example"}
    answer = ask("shop", "POST", "/new", page=True, headers=headers, files=parts)
    assert (answer.status_code, "another site" in answer.text) == (403, True)


def test_job_fills_in_the_form_of_another(site: str, ctx: Context) -> None:
    params = {"model": "flux-kontext-max", "prompt_upsampling": True, "aspect_ratio": "9:16"}
    job_id = queued(ctx, prompt="a red bear", params=params)
    assert f'href="/new?like={job_id}"' in get(f"{site}/jobs/{job_id}")
    html = get(f"{site}/new", params={"like": job_id})
    for words in ("a red bear</textarea>", '"flux-kontext-max" selected', '"9:16" selected'):
        assert words in html, words
    assert '<option value="true" selected>yes' in html


def test_image_of_a_job_becomes_an_input(site: str, ctx: Context) -> None:
    job_id = queued(ctx)
    saved(ctx, job_id, "image/png")
    image = f"{job_id}/0"
    assert f'href="/new?image={image}"' in get(f"{site}/jobs/{job_id}")
    html = get(f"{site}/new", params={"image": image})
    assert (f'value="{EDIT}"' in html, f'value="{KIND}"' in html) == (True, False)
    assert f"{image}</textarea>" in get(f"{site}/new", params={"image": image, "kind": EDIT})


def test_jobs_of_others_fill_in_nothing(ask: Ask, ctx: Context) -> None:
    job_id = queued(ctx, prompt="a secret", submitted_by="other")
    assert ask("shop", "GET", f"/new?like={job_id}", page=True).status_code == 404
