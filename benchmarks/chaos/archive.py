"""An archive that jobs move to while everything is killed, and have to be in at the end."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from pathlib import Path

from benchmarks.postgres import create_database, run_postgres
from benchmarks.system import wait_until
from imagequeue.producer.client import LocalClient

ARCHIVES = ("sqlite", "postgres")
# Jobs move while others are still submitted.
RETENTION_S = "4"
MOVE_TIMEOUT_S = 60.0


def choose_archive(stack: ExitStack, folder: Path, archive: str) -> dict[str, str]:
    """Return the settings of an archive, whose server runs until the stack is closed."""
    if not archive:
        return {}
    url = f"sqlite:///{folder}/archive.sqlite"
    if archive == "postgres":
        url = create_database(stack.enter_context(run_postgres()), "archive")
    return {"archive_url": url, "retention_s": RETENTION_S}


def count_misplaced(client: LocalClient, accepted: set[str]) -> int:
    """Return how many jobs are in Redis, in no place, or twice in the archive, once all moved."""
    store, archive = client._store, client.open_archive()
    with suppress(TimeoutError):
        wait_until(lambda: not sum(store.count_by_state().values()), MOVE_TIMEOUT_S, 0.2)
    in_redis = sum(store.count_by_state().values())
    archived = archive.get_many([*accepted]) if archive else {}
    return in_redis + len(accepted - archived.keys())
