"""Delete the files of uploads that have ended, also of those that were never completed."""

from __future__ import annotations

from ..config.logging import get_logger
from ..storage import StorageError
from .context import Context

log = get_logger(__name__)


def delete_uploads(ctx: Context) -> None:
    """Delete the files; those that the storage does not delete now are tried again later."""
    while names := ctx.uploads.list_expired(ctx.now()):
        for name in names:
            try:
                ctx.storage.delete(name)
            except StorageError as error:
                log.warning("upload_not_deleted", name=name, why=str(error))
                return
            ctx.uploads.forget(name)
