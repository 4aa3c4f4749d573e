"""A request that is sent again gets the images of the first, and is paid once."""

import asyncio
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
import requests
from openai import OpenAI

from imagequeue.config.settings import read_settings
from imagequeue.jobs.job import utc_now
from imagequeue.producer.api.application import create_app
from imagequeue.producer.api.listeners import Listeners
from imagequeue.store import keys
from imagequeue.store.callers.api_keys import ApiKeys, Limits
from imagequeue.worker.context import Context
from support.asgi import Serve
from support.openai_api import KEY, ending, finish
from support.processes import eventually

CAT: dict[str, Any] = {"model": "kie-flux-kontext", "prompt": "a cat"}
Post = Callable[..., requests.Response]


@pytest.fixture
def post(site: str) -> Post:
    """Sends a request, the first time or again; without a wait, it hears which job it has."""

    def send(retry: int | None = None, wait: int = 0, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {KEY}", "Prefer": f"wait={wait}"}
        if retry is not None:
            headers["x-stainless-retry-count"] = str(retry)
        headers |= options.pop("headers", {})
        body, url = {**CAT, **options}, f"{site}/v1/images/generations"
        return requests.post(url, json=body, headers=headers, timeout=30)

    return send


def job_of(answer: requests.Response) -> str:
    assert answer.status_code == 503, answer.text
    error = answer.json()["error"]
    assert error["code"] == "job_not_finished"
    assert answer.headers["x-should-retry"] == "true"
    return str(error["job"])


def list_jobs(ctx: Context) -> list[str]:
    return [job.id for job in reversed(ctx.store.list().jobs)]


def test_sdk_that_is_told_to_wait_on_gets_the_images_of_one_job(sdk: OpenAI, ctx: Context) -> None:
    with ending(ctx) as jobs:
        answer = sdk.images.generate(**CAT, extra_headers={"Prefer": "wait=0"})
    assert answer.model_dump()["job"] == jobs[0]
    assert len(jobs) == 1


def test_sdk_that_times_out_gets_the_images_of_one_job(sdk: OpenAI, ctx: Context) -> None:
    def finish_once_it_is_sent_again() -> None:
        def claims() -> float:
            (name,) = [*ctx.store.redis.scan_iter("iq:repeats:*:open")] or [b"none"]
            return ctx.store.redis.zscore(name, "1") or 0  # type: ignore[return-value]

        eventually(lambda: claims() > 1)
        finish(ctx, list_jobs(ctx)[0])

    thread = threading.Thread(target=finish_once_it_is_sent_again)
    thread.start()
    answer = sdk.with_options(timeout=1, max_retries=9).images.generate(**CAT)
    thread.join()
    assert answer.model_dump()["job"] == list_jobs(ctx)[0]
    assert len(list_jobs(ctx)) == 1


def test_the_same_wish_twice_is_two_jobs(post: Post, ctx: Context) -> None:
    assert [job_of(post(0)), job_of(post(0))] == list_jobs(ctx)
    assert len(list_jobs(ctx)) == 2


def test_repetitions_of_equal_requests_get_different_jobs(post: Post, ctx: Context) -> None:
    first = {job_of(post(0)), job_of(post(0))}
    assert {job_of(post(1)), job_of(post(1))} == first
    for job_id in first:
        finish(ctx, job_id)
    answers = [post(retry, 30).json()["job"] for retry in (2, 2)]
    assert set(answers) == first
    assert len(list_jobs(ctx)) == 2


def test_two_that_wait_for_one_job_are_answered_with_two(post: Post, ctx: Context) -> None:
    first, second = job_of(post(0)), job_of(post(0))
    name = next(ctx.store.redis.scan_iter("iq:repeats:*:open"))
    ctx.store.redis.zadd(name, {"2": 9})  # so that both wait for the first one
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(post, 1, 30) for _ in range(2)]
        eventually(lambda: ctx.store.redis.zscore(name, "1") == 3)
        finish(ctx, second)
        finish(ctx, first)
        answers = [each.result().json()["job"] for each in waiting]
    assert set(answers) == {first, second}
    assert len(list_jobs(ctx)) == 2


@pytest.mark.parametrize(("window_s", "count"), [("60", 1), ("0", 2)])
def test_program_without_a_count_repeats_within_the_window(
    serve: Serve, ctx: Context, window_s: str, count: int
) -> None:
    site = serve(api_keys=f"shop:{KEY}", images_repeat_window_s=window_s)
    headers = {"Authorization": f"Bearer {KEY}"}
    with ending(ctx):
        for _ in range(2):
            url = f"{site}/v1/images/generations"
            assert requests.post(url, json=CAT, headers=headers, timeout=30).status_code == 200
    assert len(list_jobs(ctx)) == count


def test_another_body_or_caller_is_another_request(post: Post, serve: Serve, ctx: Context) -> None:
    jobs = {job_of(post()), job_of(post(user="other")), job_of(post(prompt="a dog"))}
    site = serve(api_keys=f"other:{KEY}")
    headers = {"Authorization": f"Bearer {KEY}", "Prefer": "wait=0"}
    url = f"{site}/v1/images/generations"
    jobs.add(job_of(requests.post(url, json=CAT, headers=headers, timeout=30)))
    assert len(jobs) == 4


def test_another_process_knows_what_was_accepted(post: Post, serve: Serve) -> None:
    job_id = job_of(post(0))
    other = serve(api_keys=f"shop:{KEY}", images_wait_s="1")
    headers = {"Authorization": f"Bearer {KEY}", "x-stainless-retry-count": "1"}
    url = f"{other}/v1/images/generations"
    assert job_of(requests.post(url, json=CAT, headers=headers, timeout=30)) == job_id


def test_idempotency_key_names_one_request(post: Post, ctx: Context) -> None:
    key = {"Idempotency-Key": "order-7"}
    assert job_of(post(0, headers=key)) == job_of(post(0, headers=key))
    conflict = post(0, headers=key, prompt="a dog")
    assert conflict.status_code == 409
    assert conflict.headers["x-should-retry"] == "false"
    assert "was used for another request" in conflict.json()["error"]["message"]
    assert len(list_jobs(ctx)) == 1


def test_several_images_are_one_batch_when_sent_again(post: Post, ctx: Context) -> None:
    batch = job_of(post(0, n=2))
    assert batch.startswith("batch_")
    assert job_of(post(1, n=2)) == batch
    with ending(ctx):
        answer = post(2, 30, n=2)
    assert (answer.json()["job"], len(answer.json()["data"])) == (batch, 2)
    assert len(list_jobs(ctx)) == 2


def test_refused_request_takes_no_number(post: Post, ctx: Context) -> None:
    assert post(0, params={"watermark": 7}).status_code == 400
    assert not any(ctx.store.redis.zcard(key) for key in ctx.store.redis.scan_iter("*:open"))


def test_failure_is_told_again_and_not_paid_again(post: Post, ctx: Context) -> None:
    job_id = job_of(post(0))
    ctx.store.redis.set(keys.record(job_id), "damaged")
    answer = post(1, 30)
    assert answer.status_code == 500
    assert answer.json()["error"]["type"] == "server_error"
    assert len(ctx.store.redis.keys("iq:job_*")) == 1


def test_limit_of_the_key_is_a_rate_limit_error(site: str, ctx: Context) -> None:
    secret = ApiKeys(ctx.store.redis).add("limited", Limits(per_minute=1), utc_now())
    with ending(ctx), OpenAI(base_url=f"{site}/v1", api_key=secret, max_retries=0) as sdk:
        assert sdk.images.generate(**CAT).data
        with pytest.raises(openai.RateLimitError) as caught:
            sdk.images.generate(**CAT)
    assert caught.value.type == "rate_limit_error"
    assert int(caught.value.response.headers["retry-after"]) > 0


def test_request_that_cannot_wait_is_accepted_by_nobody(post: Post, ctx: Context) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Listeners, "count", lambda _: 10**6)
        answer = post(0, 30)
    assert (answer.status_code, answer.headers["x-should-retry"]) == (503, "true")
    assert not list_jobs(ctx)


def test_repetition_for_several_images_prefers_a_batch_that_is_stored(
    post: Post, ctx: Context
) -> None:
    batch = job_of(post(0, n=2))
    crashed_before = next(ctx.store.redis.scan_iter("iq:repeats:*:open"))
    ctx.store.redis.zadd(crashed_before, {"0": 0})
    assert job_of(post(1, n=2)) == batch


def test_images_that_a_caller_hung_up_on_go_to_a_repetition(
    post: Post, overrides: dict[str, str], ctx: Context
) -> None:
    job_id = job_of(post(0))
    finish(ctx, job_id)
    app = create_app(read_settings(**{**overrides, "api_keys": f"shop:{KEY}"}))
    messages = [{"type": "http.request", "body": json.dumps(CAT).encode()}]
    headers = {
        "authorization": f"Bearer {KEY}",
        "content-type": "application/json",
        "x-stainless-retry-count": "1",
    }
    path = "/v1/images/generations"
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "server": ("testserver", 80),
        "client": ("127.0.0.1", 1),
    }
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 499
    open_numbers = next(ctx.store.redis.scan_iter("iq:repeats:*:open"))
    assert ctx.store.redis.zcard(open_numbers) == 1
    assert post(2, 30).json()["job"] == job_id
    assert not ctx.store.redis.exists(open_numbers)
