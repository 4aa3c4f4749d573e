"""Check now and then that images can be saved, so that none is paid for in vain.

A folder whose share is not mounted any more looks like an empty storage: its id is missing. The
storage also tells whether Redis has gone back since, so that nothing is paid for again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from threading import Lock

from ...config.logging import get_logger
from ...errors import ConfigError
from ...storage import Storage, StorageError
from ...store.deployment.agreement import Deployment
from ...store.deployment.progress import Progress

log = get_logger(__name__)

CHECK_EVERY_S = 15.0


class StorageCheck:
    """The result of the last probe of the storage, shared by all threads of a process."""

    def __init__(
        self,
        storage: Storage,
        deployment: Deployment,
        progress: Progress,
        now: Callable[[], datetime],
    ) -> None:
        self._storage = storage
        self._deployment = deployment
        self._progress = progress
        self._now = now
        self._probing = Lock()
        self._checked_at = float("-inf")
        self._error = ""
        self.storage_id = ""
        """The id that the last probe has read; empty before."""

    def require(self) -> None:
        """Raise StorageError if the storage cannot be used; an old result is replaced first."""
        is_old = time.monotonic() - self._checked_at > CHECK_EVERY_S
        # The storage may be slow: other threads use the last result meanwhile.
        if is_old and self._probing.acquire(blocking=False):
            try:
                self._probe()
            finally:
                self._probing.release()
        if self._error:
            raise StorageError(self._error)

    def _probe(self) -> None:
        try:
            self._storage.check()
            self.storage_id = self._deployment.require_storage(self._storage)
            self._progress.compare(self._storage, self._now())
        except (StorageError, ConfigError) as error:
            self._error = str(error)
            log.error("storage_unusable", why=self._error)
        else:
            if self._error:
                log.info("storage_recovered")
            self._error = ""
        self._checked_at = time.monotonic()
