"""The Prometheus metrics of what runs out: credit at vendors, and the disk of the images."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily as Gauge

from ...config.settings import Settings
from ...errors import ImageQueueError
from ...providers import accounts
from ...providers.account import CreditAccount
from ..credit import ask_credit

ASK_EVERY_S = 300.0


class CreditReader:
    """Asks for the credit of each key beside the scrapes: no vendor delays one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._credits: dict[tuple[str, str], float] = {}
        self._next_at = 0.0
        self._lock = threading.Lock()

    def read(self) -> Mapping[tuple[str, str], float]:
        """Return the last known credit by account and key; empty before the first answer."""
        with self._lock:
            if time.monotonic() >= self._next_at:
                self._next_at = time.monotonic() + ASK_EVERY_S
                threading.Thread(target=self._ask, daemon=True).start()
        return self._credits

    def _ask(self) -> None:
        found = {}
        for account in map(self._settings.account, accounts()):
            if not isinstance(account, CreditAccount):
                continue
            for key in account.keys:
                # Without an answer it is omitted: an old value would hide that it falls.
                with suppress(ImageQueueError):
                    credit = ask_credit(self._settings, account, key)
                    if isinstance(credit, int | float):
                        found[account.name, key.name] = credit
        self._credits = found


class Disk(NamedTuple):
    """The disk of the images, in bytes."""

    size: int
    free: int


def measure_disk(images_url: str) -> Disk | None:
    """Return the disk that the images are on; None for a bucket, or before the first image."""
    url = urlsplit(images_url)
    if url.scheme == "file":
        with suppress(OSError):
            usage = shutil.disk_usage(unquote(url.path))
            return Disk(usage.total, usage.free)
    return None


def capacity_families(
    images_url: str, credits_left: Mapping[tuple[str, str], float]
) -> Iterator[Metric]:
    """Yield the credit of each key, and the size of the disk where images are files."""
    credit = Gauge(
        "imagequeue_credit",
        "Credit that a key has left, in the vendor's unit, asked for every five minutes.",
        labels=["account", "key"],
    )
    for labels, left in credits_left.items():
        credit.add_metric(list(labels), left)
    free = Gauge(
        "imagequeue_storage_free_bytes",
        "Free space on the disk of the images, as the API sees it; omitted for buckets.",
        labels=[],
    )
    size = Gauge("imagequeue_storage_size_bytes", "Size of that disk.", labels=[])
    if disk := measure_disk(images_url):
        free.add_metric([], disk.free)
        size.add_metric([], disk.size)
    yield from (credit, free, size)
