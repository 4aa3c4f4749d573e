"""Batches on the command line: queued once, refused lines listed, progress shown."""

import json
from codecs import BOM_UTF8
from pathlib import Path
from typing import Any

from imagequeue.jobs.job import State
from imagequeue.producer.api.batch_body import parse_items
from imagequeue.worker.context import Context
from support.cli import imagequeue

GOOD: dict[str, Any] = {"provider": "acedata-flux", "prompt": "a cat"}
BAD: dict[str, Any] = {"provider": "acedata-flux", "prompt": "", "params": {"sise": "1:1"}}
LINES = {"Content-Type": "application/jsonl"}


def numbered(count: int) -> list[dict[str, Any]]:
    return [{**GOOD, "metadata": {"n": n}} for n in range(count)]


def test_cli_reports_a_batch(overrides: dict[str, str], ctx: Context) -> None:
    lines = f"{json.dumps(GOOD)}\n\n{json.dumps(BAD)}\nnonsense\n{json.dumps(GOOD)}"
    ran = imagequeue("batch", "-", "--skip-bad", settings=overrides, stdin=lines)
    assert (ran.status, len(ran.out.splitlines())) == (1, 2), "a line was refused"
    *bad, summary = ran.err.splitlines()
    assert [line.partition(":")[0] for line in bad] == ["line 3", "line 3", "line 4"]
    batch_id, words = summary.split(maxsplit=1)
    assert words == "0 of 2 finished  2 queued"
    shown = imagequeue("status", batch_id, settings=overrides)
    assert shown.out == f"{batch_id}  0 of 2 finished  2 queued\n"
    as_json = imagequeue("status", batch_id, "--json", settings=overrides)
    assert json.loads(as_json.out)["progress"] == {"queued": 2}
    listed = imagequeue("batches", settings=overrides)
    assert listed.out == f"{batch_id}  0 of 2 finished  2 queued  $0.00 so far\n"
    as_json = imagequeue("batches", "--json", settings=overrides)
    assert json.loads(as_json.out)["spent_usd"] == 0


def test_file_of_a_windows_editor_loses_no_line(
    overrides: dict[str, str], ctx: Context, tmp_path: Path
) -> None:
    item = json.dumps(GOOD).encode()
    # The second mark is at the seam of two joined files.
    content = BOM_UTF8 + item + b"\r\n\r\n" + BOM_UTF8 + item + b"\r\n" + BOM_UTF8
    (tmp_path / "b.jsonl").write_bytes(content)
    ran = imagequeue("batch", "b.jsonl", settings=overrides)
    assert (ran.status, len(ran.out.splitlines())) == (0, 2), ran.err
    parsed = parse_items(bytearray(content), "application/jsonl", "refuse")
    assert ([*parsed], parsed.get_line_number(0), parsed.get_line_number(1)) == ([GOOD, GOOD], 1, 3)
    body = BOM_UTF8 + json.dumps({"items": [GOOD]}).encode()
    assert [*parse_items(bytearray(body), "application/json", "refuse")] == [GOOD]


def test_file_of_an_old_editor_loses_no_line(
    overrides: dict[str, str], ctx: Context, tmp_path: Path
) -> None:
    """Carriage returns alone, a mark behind a line, and a Ctrl-Z at the end."""
    item = json.dumps(GOOD).encode()
    (tmp_path / "b.jsonl").write_bytes(item + b"\r\r" + item + BOM_UTF8 + b"\r\x1a")
    ran = imagequeue("batch", "b.jsonl", settings=overrides)
    assert (ran.status, len(ran.out.splitlines())) == (0, 2), ran.err
    parsed = parse_items(bytearray(item + b"\r\r\n\r" + item), "application/jsonl", "refuse")
    assert ([*parsed], parsed.get_line_number(1)) == ([GOOD, GOOD], 4)


def test_list_in_a_file_of_lines_is_named(overrides: dict[str, str], ctx: Context) -> None:
    ran = imagequeue("batch", "-", settings=overrides, stdin=json.dumps([GOOD, GOOD]))
    assert (ran.status, "line 1: request: is a list" in ran.err) == (2, True)


def test_cli_queues_a_batch_once_and_waits(
    overrides: dict[str, str], ctx: Context, tmp_path: Path
) -> None:
    (tmp_path / "b.jsonl").write_text("\n".join(json.dumps(item) for item in numbered(2)))
    arguments = ["batch", "b.jsonl", "--idempotency-key=k", "--json"]
    first, again = (imagequeue(*arguments, settings=overrides) for _ in range(2))
    ids = [json.loads(line)["id"] for line in first.out.splitlines()]
    assert [json.loads(line)["id"] for line in again.out.splitlines()] == ids
    for job_id in ids:
        ctx.store.transition(
            ctx.store.get(job_id),
            lambda job: job.transition_to(State.CANCELLED, "test", ctx.now(), ctx.now()),
        )
    waited = imagequeue(*arguments, "--wait", settings=overrides)
    states = [json.loads(line)["state"] for line in waited.out.splitlines()]
    assert (waited.status, states) == (1, ["cancelled"] * 2)
