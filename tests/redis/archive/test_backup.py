"""An archive in PostgreSQL is backed up and restored by the commands of docs/operations.md."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.postgres import USER, find_binary
from imagequeue.archive.archive import Archive
from imagequeue.errors import InvalidTransitionError
from imagequeue.jobs.filter import JobConditions
from imagequeue.jobs.job import JobError, Reason, State
from imagequeue.producer.client import LocalClient
from imagequeue.store.deployment import keys
from imagequeue.store.money.ledger import Ledger
from imagequeue.worker.archive import Archiver
from imagequeue.worker.context import Context
from imagequeue.worker.saving import storage_check
from imagequeue.worker.submit import submit
from support.jobs import failed, move, queued
from support.paths import ROOT
from support.stub import Stub
from support.worker.hand_overs import succeed

OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


@pytest.fixture
def shell(postgres_server: Path, tmp_path: Path) -> Callable[[str], None]:
    """Runs a command as an operator of the server does."""
    programs = Path(find_binary("pg_dump") or "").parent
    server = {"PGHOST": str(postgres_server), "PGUSER": USER}
    env = os.environ | server | {"PATH": f"{programs}:{os.environ['PATH']}"}
    return lambda command: subprocess.run(command, shell=True, check=True, env=env, cwd=tmp_path)


def read_commands(section: str) -> list[str]:
    """Return the commands for PostgreSQL in a section of the page."""
    text = OPERATIONS.split(f"\n## {section}\n")[1].split("\n## ")[0]
    found = re.findall(r"^(?:pg_\w+|createdb|vacuumdb) .*", text, re.MULTILINE)
    assert found, section
    return found


def pay_and_fail(ctx: Context, job_id: str) -> None:
    move(ctx, job_id, State.SUBMITTING, State.WAITING, task_id="t", submissions=1)
    move(ctx, job_id, State.FAILED, error=JobError(reason=Reason.PROVIDER))


@pytest.mark.parametrize("archive_url", ["postgresql"], indirect=True)
def test_restored_archive_knows_what_was_moved_and_paid(
    ctx: Context,
    archive: Archive,
    shell: Callable[[str], None],
    stub: Stub,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(storage_check, "CHECK_EVERY_S", -1)
    redis: Any = ctx.store.redis
    archiver, client = Archiver(ctx), LocalClient(ctx.settings, ctx.now)
    ledger = Ledger(redis, ctx.open_archive)
    archiver.compare()
    ctx.storage_check.require()
    ids = [succeed(ctx), failed(ctx, prompt="a lighthouse in a storm")]
    paid, unpaid = (queued(ctx, provider="kie", params={"model": "z-image"}) for _ in range(2))
    backup = {key: redis.dump(key) for key in redis.scan_iter()}
    pay_and_fail(ctx, paid)
    jobs = list(ctx.store.get_many([*ids, paid]))
    entries = list(ledger.iter_entries())
    redis.delete(keys.PROGRESS_TURN)  # a minute later
    ctx.storage_check.require()
    ctx.now.advance(ctx.settings.finished_s + 1)  # type: ignore[attr-defined]
    archiver.move()
    counts = archive.count_by_state(JobConditions())
    for command in read_commands("Backup"):
        shell(command)

    shell("dropdb --force archive")
    for command in read_commands("Restore"):
        shell(command)
    archive.close()
    archiver.compare()
    assert archive.count_by_state(JobConditions()) == counts
    assert list(client.get_many(reversed([*ids, paid]))) == jobs[::-1]
    assert [job.id for job in client.list().jobs] == [unpaid, paid, *reversed(ids)]
    found = client.list(chosen=JobConditions(words="lighthouse storm"))
    assert [job.id for job in found.jobs] == ids[1:]
    assert list(ledger.iter_entries()) == entries
    assert client.retry(ids[1], pay_again=True).state is State.QUEUED

    redis.flushall()
    for key, value in backup.items():
        redis.restore(key, 0, value)
    archiver.compare()
    ctx.storage_check.require()
    with pytest.raises(InvalidTransitionError, match="waits"):
        submit(ctx, paid)
    assert [pause.name for pause in ctx.pauses.list_all(ctx.now())] == ["all"]
    assert stub.posts == []
    sent_again = {job.id for job in client.list(state=State.QUEUED).jobs}
    assert sent_again == {paid, unpaid}
    assert sent_again & {job_id for _, job_id, _ in archive.iter_entries()} == {paid}
