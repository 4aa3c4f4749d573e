"""Looks at each saved file as soon as it appears."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from benchmarks.download_kills.image_host import make_image
from imagequeue.storage.media.validate import NotMediaError, validate_media

LOOK_EVERY_S = 0.005


class Watcher(threading.Thread):
    """Checks every file at a final name when it first sees it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self._folder = folder
        self._over = threading.Event()
        self.seen: set[Path] = set()
        self.incomplete: set[Path] = set()

    def run(self) -> None:
        """Look until stopped."""
        while not self._over.wait(LOOK_EVERY_S):
            self.look()

    def look(self) -> None:
        """Check the files that are new."""
        for path in set(iter_final_files(self._folder)) - self.seen:
            self.seen.add(path)
            if not is_complete(path):
                self.incomplete.add(path)

    def stop(self) -> None:
        """Stop looking."""
        self._over.set()
        if self.is_alive():
            self.join()


def iter_final_files(folder: Path) -> Iterator[Path]:
    """Yield every image at a final name."""
    for path in folder.glob("job_*/*"):
        if path.suffix != ".json":
            yield path


def is_complete(path: Path) -> bool:
    """Return whether a file is a valid image with the bytes that the host has for its name."""
    try:
        with path.open("rb") as file:
            validate_media(file)
    except (NotMediaError, OSError):
        return False
    return path.read_bytes() == make_image(f"/{path.parent.name}/{path.stem}")
