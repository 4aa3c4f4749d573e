"""Bulk actions on the command line: output, progress and exit status."""

import json
from typing import Any

import pytest

from imagequeue.producer import bulk
from imagequeue.worker.context import Context
from support.cli import Ran, imagequeue
from support.jobs import failed, queued, states_of, unsaved

UNKNOWN = "job_01JD0000000000000000000000"


@pytest.fixture
def run(overrides: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(bulk, "CHUNK", 2)

    def run_one(*arguments: str) -> Ran:
        return imagequeue(*arguments, settings=overrides)

    return run_one


def test_named_jobs_are_printed_and_refusals_do_not_stop_others(run: Any, ctx: Context) -> None:
    first, last = queued(ctx), queued(ctx)
    ran = run("cancel", first, UNKNOWN, last)
    assert (ran.status, states_of(ctx, first, last)) == (2, ["cancelled", "cancelled"])
    assert [line.split()[:2] for line in ran.out.splitlines()[::2]] == [
        [first, "cancelled"],
        [last, "cancelled"],
    ]
    assert set(ran.out.splitlines()[1::2]) == {"  nothing was sent: free of charge"}
    assert ran.err.startswith(f"imagequeue: no job {UNKNOWN}: check the id")
    again = run("cancel", first, last, "--json")
    assert (again.status, again.out) == (2, "")
    assert again.err.splitlines() == [
        f"imagequeue: {job_id} is cancelled: it cannot be cancelled" for job_id in (first, last)
    ]


def test_dry_run_says_what_would_be_paid(run: Any, ctx: Context) -> None:
    paid, free, running = failed(ctx), unsaved(ctx), queued(ctx)
    ran = run("retry", "--provider", "kie-flux-kontext", "--pay-again", "--dry-run")
    assert (ran.status, ran.out.splitlines()) == (
        0,
        [
            "2 of 3 jobs would be started again",
            "  1: free of charge",
            "  1: sent once more, which is charged again (about 0.025 USD)",
            "  1 unchanged: each is queued: there is nothing to retry",
        ],
    )
    named = run("retry", paid, running, "--pay-again", "--dry-run", "--json")
    report = json.loads(named.out)
    assert (named.status, report["changed"], report["dry_run"]) == (2, 1, True)
    assert states_of(ctx, paid, free, running) == ["failed", "unsaved", "queued"]


def test_selected_jobs_are_counted_with_progress(run: Any, ctx: Context) -> None:
    for _ in range(5):
        queued(ctx)
    ran = run("cancel", "--state", "queued", "--since", "9999d")
    assert (ran.status, ran.out.splitlines()) == (
        0,
        ["5 of 5 jobs cancelled", "  5: free of charge", "  about 0.125 USD is not spent"],
    )
    assert ran.err.splitlines() == ["2 of 5 jobs", "4 of 5 jobs"]
    ran = run("cancel", "--state", "cancelled", "--json")
    assert (ran.status, json.loads(ran.out)["changed"]) == (0, 0)


def test_acknowledged_jobs_leave_the_unsaved_ones(run: Any, ctx: Context) -> None:
    one, other = unsaved(ctx), unsaved(ctx)
    line, words = run("acknowledge", one).out.splitlines()
    assert (line.split()[:2], words) == (
        [one, "failed"],
        "  its alert ends; a retry still downloads its images, free of charge",
    )
    ran = run("acknowledge", "--state", "unsaved")
    assert ran.out.splitlines() == [
        "1 of 1 jobs acknowledged",
        "  1: the charge stands (about 0.025 USD)",
    ]
    assert run("list", "--state", "unsaved").out == ""
    assert run("retry", "--reason", "unsaved").out.splitlines()[1] == "  2: free of charge"
    assert states_of(ctx, one, other) == ["downloading", "downloading"]


def test_repeated_retry_with_its_key_pays_once(run: Any, ctx: Context) -> None:
    job_id = failed(ctx)
    options = ("--state", "failed", "--pay-again", "--idempotency-key", "outage")
    assert run("retry", *options).out.startswith("1 of 1 jobs started again")
    assert run("retry", *options, "--since", "2h").status == 2
    assert states_of(ctx, job_id) == ["queued"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["cancel"], "name jobs by their ids, or select them by filters such as --batch"),
        (["cancel", UNKNOWN, "--state", "queued"], "name jobs by their ids, or select"),
        (["cancel", "--state", "quewed"], "state: "),
        (["retry", "--since", "soon"], "since: must be a time such as"),
        (["cancel", "--batch", "batch_x"], "no batch batch_x"),
        (["acknowledge", "--provider", "kie-flux"], "did you mean"),
    ],
)
def test_bad_input_is_refused(run: Any, arguments: list[str], words: str) -> None:
    ran = run(*arguments)
    assert (ran.status, ran.out, words in ran.err) == (2, "", True), ran.err
    assert ran.err.startswith("imagequeue: ")
