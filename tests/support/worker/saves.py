"""Jobs whose images a host serves, and what is in storage afterwards."""

import errno
import json
from typing import Any

from imagequeue.worker.context import Context
from imagequeue.worker.saving.save import MANIFEST
from support.hostile import picture

PNG = picture()


def read_stored(ctx: Context, name: str) -> bytes:
    return b"".join(ctx.storage.open(ctx.storage.uri(name)).chunks)


def is_stored(ctx: Context, name: str) -> bool:
    try:
        return bool(read_stored(ctx, name))
    except FileNotFoundError:
        return False


def read_manifest(ctx: Context, job_id: str) -> list[dict[str, Any]]:
    """Return the results and the origins of the record."""
    manifest = json.loads(read_stored(ctx, f"{job_id}/{MANIFEST}"))
    return [*manifest["images"], *manifest["origins"]]


# Faults


def out_of_space(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")
