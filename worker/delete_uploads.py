"""Delete the files of uploads that have ended, also of those that were never completed."""

from __future__ import annotations

from ..config.logging import get_logger
from ..jobs.job import add_seconds
from ..storage import StorageError
from .context import Context

log = get_logger(__name__)

RETRY_LATER_S = 3600.0


def delete_uploads(ctx: Context) -> None:
    """Delete the files; one that the storage does not delete now is tried again later."""
    while names := ctx.uploads.list_expired(ctx.now()):
        for name in names:
            try:
                ctx.storage.delete(name)
            except StorageError as error:
                log.warning("upload_not_deleted", name=name, why=str(error))
                # The others go first next time, as it may be the only one that cannot be deleted.
                ctx.uploads.postpone(name, add_seconds(ctx.now(), RETRY_LATER_S))
                return
            except ValueError:
                log.warning("upload_unknown", name=name)  # a damaged entry, which names no file
            ctx.uploads.forget(name)
