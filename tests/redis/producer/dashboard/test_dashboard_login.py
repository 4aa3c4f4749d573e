"""Login: an API key is exchanged for a cookie, on this site only."""

import pytest
import requests

from imagequeue.jobs.job import State
from imagequeue.worker.context import Context
from support.asgi import Serve
from support.dashboard import post
from support.jobs import queued


def test_login_sets_a_cookie_that_opens_the_pages(serve: Serve, ctx: Context) -> None:
    job_id = queued(ctx)
    site = serve(api_keys="key-one")
    with requests.Session() as browser:
        browser.headers["Origin"] = site
        form = browser.get(f"{site}/jobs/{job_id}?done=x", timeout=30)
        assert (form.status_code, job_id in form.text.partition("<main")[2]) == (401, True)
        assert f'name="way_back" value="/jobs/{job_id}?done=x"' in form.text
        assert "a cat" not in form.text
        assert 'class="menu"' not in form.text
        for path in ("/", f"/jobs/{job_id}/card", "/chips"):
            assert browser.get(site + path, timeout=30).status_code == 401
        fields = {"key": "nobody's", "way_back": "/"}
        wrong = browser.post(f"{site}/login", data=fields, timeout=30)
        assert (wrong.status_code, "API key is unknown" in wrong.text) == (401, True)
        assert not browser.cookies
        fields = {"key": " key-one ", "way_back": f"/jobs/{job_id}"}
        inside = browser.post(f"{site}/login", data=fields, timeout=30)
        assert (inside.status_code, inside.url) == (200, f"{site}/jobs/{job_id}")
        assert ("a cat" in inside.text, 'class="menu"' in inside.text) == (True, True)
        unknown = browser.get(f"{site}/jobs/job_1", timeout=30)
        assert (unknown.status_code, 'class="menu"' in unknown.text) == (404, True)
        browser.post(f"{site}/jobs/{job_id}/cancel", timeout=30).raise_for_status()
        assert ctx.store.get(job_id).state is State.CANCELLED
        assert browser.post(f"{site}/logout", timeout=30).status_code == 401
        assert not browser.cookies


@pytest.mark.parametrize("way_back", ["//evil.example", "https://evil.example", "/\\evil", "x", ""])
def test_login_redirects_only_to_this_site(serve: Serve, way_back: str) -> None:
    site = serve(api_keys="key-one")
    answer = requests.post(
        f"{site}/login",
        data={"key": "key-one", "way_back": way_back},
        headers={"Origin": site},
        timeout=30,
        allow_redirects=False,
    )
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()


def test_login_from_another_site_is_refused(serve: Serve) -> None:
    site = serve(api_keys="key-one")
    answer = post(f"{site}/login", key="key-one")
    assert (answer.status_code, answer.cookies.get_dict()) == (403, {})
