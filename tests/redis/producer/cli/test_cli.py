"""The command line: what each command prints, as text and as JSON."""

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from conftest import Start

from imagequeue.config.settings import Settings
from imagequeue.jobs.job import Image, JobError, Reason, State
from imagequeue.producer.client import LocalClient
from imagequeue.worker.context import Context
from support.cli import Ran, imagequeue
from support.jobs import queued
from support.processes import BIN, clean_environment

Overrides = dict[str, str]
REQUEST = {"provider": "kie-midjourney", "prompt": "a paper city", "metadata": {"order": 7}}


@pytest.fixture
def run(overrides: Overrides) -> Any:
    def run_one(*arguments: str, stdin: str = "") -> Ran:
        return imagequeue(*arguments, settings=overrides, stdin=stdin)

    return run_one


def jobs_of(ran: Ran) -> list[dict[str, Any]]:
    """Return the jobs that a command printed as JSON, one per line."""
    assert (ran.status, ran.err) == (0, "")
    return [json.loads(line) for line in ran.out.splitlines()]


def move(ctx: Context, job_id: str, *states: State, **fields: Any) -> None:
    for state in states:
        ctx.store.transition(
            ctx.store.get(job_id),
            lambda j, state=state: j.transition_to(state, "test", ctx.now(), ctx.now()),
        )
    ctx.store.transition(ctx.store.get(job_id), lambda j: j.evolve(ctx.now(), **fields))


def failed(ctx: Context) -> str:
    job_id = queued(ctx)
    error = JobError(reason=Reason.POLICY, code="400", message="no cats")
    move(ctx, job_id, State.SUBMITTING, State.WAITING, State.FAILED, error=error)
    return job_id


def test_submit_prints_the_job(run: Any, ctx: Context) -> None:
    ran = run("submit", "kie-midjourney", "a paper city")
    job_id, *rest = ran.out.split()
    assert (ran.status, rest) == (0, ["queued", "kie-midjourney", "a", "paper", "city"])
    assert ctx.store.get(job_id).prompt == "a paper city"
    assert ctx.store.redis.llen("submit") == 1


def test_submit_passes_options_and_parses_json_values(run: Any) -> None:
    options = ["--param", "count=2", "--param", "size=1:1", "--metadata", '{"order": 7}', "--json"]
    (job,) = jobs_of(run("submit", "acedata-flux", "tea", *options, "--delivery", "poll"))
    assert (job["params"], job["metadata"]) == ({"count": 2, "size": "1:1"}, {"order": 7})
    options = ["--action", "edit", "--image", "https://example.com/cat.png", "--json"]
    (job,) = jobs_of(run("submit", "acedata-flux", "tea", *options))
    assert (job["action"], job["image_urls"]) == ("edit", ["https://example.com/cat.png"])


def test_batch_queues_every_line_in_order(run: Any) -> None:
    lines = "\n\n".join(json.dumps({**REQUEST, "metadata": {"order": n}}) for n in range(3))
    jobs = jobs_of(run("batch", "-", "--json", stdin=lines))
    assert [job["metadata"]["order"] for job in jobs] == [0, 1, 2]
    assert len(run("batch", "-", stdin=lines).out.splitlines()) == 3
    assert len(jobs_of(run("list", "--json"))) == 6


def test_status_shows_history_images_and_error(run: Any, ctx: Context) -> None:
    job_id = failed(ctx)
    image = Image(index=0, source_url="https://x/0.png", expires_at=ctx.now())
    ctx.store.transition(ctx.store.get(job_id), lambda job: job.evolve(ctx.now(), images=(image,)))
    first, *rest = run("status", job_id).out.splitlines()
    assert first.split()[:2] == [job_id, "failed"]
    assert rest == [
        "  charged: yes",
        "  2026-11-20 12:00:00  queued -> submitting  (test)",
        "  2026-11-20 12:00:00  submitting -> waiting  (test)",
        "  2026-11-20 12:00:00  waiting -> failed  (test)",
        "  image 0: pending  https://x/0.png",
        "  policy: 400 no cats",
    ]
    (job,) = jobs_of(run("status", job_id, "--json"))
    assert job["error"] == {"reason": "policy", "code": "400", "message": "no cats"}


def test_list_filters_and_prints_the_next_cursor(run: Any, ctx: Context) -> None:
    ids = sorted([failed(ctx), queued(ctx), queued(ctx, provider="acedata-flux")], reverse=True)
    first = run("list", "--limit", "2", "--json")
    assert [json.loads(line)["id"] for line in first.out.splitlines()] == ids[:2]
    assert first.err == f"more: --cursor {ids[1]}\n"
    (last,) = jobs_of(run("list", "--cursor", ids[1], "--json"))
    assert last["id"] == ids[2]
    assert [job["state"] for job in jobs_of(run("list", "--state", "failed", "--json"))] == [
        "failed"
    ]
    assert len(jobs_of(run("list", "--provider", "acedata-flux", "--json"))) == 1


def test_wait_exits_by_the_result(run: Any, ctx: Context) -> None:
    good, bad, endless = queued(ctx), failed(ctx), queued(ctx)
    move(ctx, good, State.SUBMITTING, State.DOWNLOADING, State.SUCCEEDED)
    (job,) = jobs_of(run("wait", good, "--json"))
    assert job["state"] == "succeeded"
    both = run("wait", good, bad)
    assert (both.status, len(both.out.splitlines()), both.err) == (1, 2, "")
    ran = run("wait", endless, "--timeout", "0")
    *_, last = ran.err.splitlines()
    assert (ran.status, last) == (1, f"imagequeue: {endless} is queued after 0 s")


def test_cancel_and_retry(run: Any, ctx: Context) -> None:
    job_id, bad = queued(ctx), failed(ctx)
    line, words = run("cancel", job_id).out.splitlines()
    assert line.split()[:2] == [job_id, "cancelled"]
    assert words == "  nothing was sent: free of charge"
    again = run("cancel", job_id, "--json")
    assert (again.status, again.out) == (2, "")
    assert (
        run("retry", bad).err
        == f"imagequeue: {bad} is failed: a retry pays again, as kie-flux-kontext charges for it "
        "once more: give pay_again to allow it\n"
    )
    assert run("retry", failed(ctx), "--pay-again").out.splitlines()[1] == (
        "  sent to kie-flux-kontext once more, which charges for it again"
    )
    (job,) = jobs_of(run("retry", bad, "--pay-again", "--json"))
    assert job["state"] == "queued"


@pytest.mark.parametrize("command", ["", "submit", "list", "keys list", "callbacks list", "up"])
def test_help_imports_nothing_slow(command: str) -> None:
    code = (
        f"import sys; sys.argv[1:] = {[*command.split(), '--help']}\n"
        "from imagequeue.producer.cli.main import main\n"
        "try: main()\n"
        "finally: print(*sorted(m for m in sys.modules if '.' not in m), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.startswith("Usage: ")
    heavy = {"celery", "kombu", "redis", "pydantic", "fastapi", "requests", "structlog", "rich"}
    assert "click" in ended.stderr.split()
    assert heavy & set(ended.stderr.split()) == set()


def test_sandbox_passes_its_options_on() -> None:
    command = [str(BIN / "imagequeue"), "sandbox", "--help"]
    ended = subprocess.run(command, env=clean_environment(), capture_output=True, text=True)
    assert (ended.returncode, "--kie-limit" in ended.stdout) == (0, True)


def test_submit_passes_priority_and_start(run: Any) -> None:
    submit = ("submit", "acedata-flux", "tea", "--priority", "high", "--json", "--not-before")
    tomorrow = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    (job,) = jobs_of(run(*submit, tomorrow.astimezone(timezone(timedelta(hours=1))).isoformat()))
    assert (job["priority"], datetime.fromisoformat(job["not_before"])) == ("high", tomorrow)
    (job,) = jobs_of(run(*submit, "2h"))
    start, created = (datetime.fromisoformat(job[name]) for name in ("not_before", "created_at"))
    assert timedelta(hours=1) < start - created <= timedelta(hours=2)
    wrong_ones = {"2 h": "not an ISO time", "999999d": "not an ISO time", "2h": "another request"}
    for wrong, words in wrong_ones.items():
        ran = run(*submit, wrong, "--idempotency-key", "k")
        assert (ran.status, words in ran.err) == (2, True)


def test_submit_takes_fallbacks_with_and_without_parameters(run: Any) -> None:
    params = {"model": "flux-kontext-pro"}
    first = json.dumps({"provider": "acedata-flux", "params": params})
    submit = ("submit", "kie-flux-kontext", "tea", "--json", "--fallback")
    (job,) = jobs_of(run(*submit, first, "--fallback", "kie-midjourney"))
    assert [(each["provider"], each["params"]) for each in job["fallback"]] == [
        ("acedata-flux", params),
        ("kie-midjourney", {}),
    ]
    for wrong, words in (
        ("acedata-flx", "fallback.0.provider: unknown provider; did you mean acedata-flux?"),
        ('{"provider": ', "--fallback is not JSON"),
        ('{"provider": "acedata-flux", "parms": {}}', "fallback.0.parms: unknown field; known: p"),
        ('{"params": {}}', "fallback.0.provider: Field required"),
    ):
        ran = run(*submit, wrong)
        assert (ran.status, ran.out, words in ran.err) == (2, "", True), ran.err


def test_status_and_wait_say_what_a_job_waits_for(run: Any) -> None:
    planned = ("--not-before", "2h", "--priority", "low", "--json")
    (job,) = jobs_of(run("submit", "acedata-flux", "tea", *planned))
    assert "priority: low" in run("status", job["id"]).out
    line = "waits for its time (not_before), about "
    assert line in run("status", job["id"]).out
    assert line in run("wait", job["id"], "--timeout", "0").err
    (shown,) = jobs_of(run("status", job["id"], "--json"))
    assert (shown["queue"]["waits_for"], shown["queue"]["position"]) == ("time", None)
    assert "queue" not in job


def test_list_says_who_submitted_a_job_and_why_it_failed(run: Any, ctx: Context) -> None:
    assert (run("list").out, run("list").err) == ("", "no jobs\n")
    job_id = failed(ctx)
    assert run("list").out == (
        f"{job_id}  failed       kie-flux-kontext  a cat  [policy: no cats]\n"
    )
    assert run("submit", "kie-midjourney", "a paper city").status == 0
    assert run("list", "--state", "queued").out.endswith("  a paper city  by cli\n")
    assert run("list", "--state", "succeeded").err == "no job matches\n"


def test_unknown_command_names_the_one_that_is_meant(run: Any) -> None:
    assert run("show", "job_1").err == (
        "imagequeue: No such command 'show'. Did you mean 'status'?\n"
    )
    assert "Did you mean 'list'?" in run("lst").err


@pytest.mark.parametrize("command", ["submit", "wait", "batch"])
def test_interrupted_wait_says_how_to_come_back(
    start: Start, settings: Settings, command: str
) -> None:
    job_id = LocalClient(settings).submit("kie-midjourney", "a paper city").id
    arguments = {
        "submit": ("submit", "kie-midjourney", "a boat", "--wait"),
        "wait": ("wait", job_id),
        "batch": ("batch", "jobs.jsonl", "--wait"),
    }
    Path("jobs.jsonl").write_text(json.dumps(REQUEST))
    process = start(sys.executable, "-m", "imagequeue", *arguments[command])
    process.wait_for({"submit": "  queued", "wait": job_id, "batch": "batch_"}[command])
    process.popen.send_signal(signal.SIGINT)
    assert process.popen.wait(30) == 130, process.output
    back = "status batch_" if command == "batch" else "wait job_"
    assert f"the work goes on without you; to come back: imagequeue {back}" in process.output
