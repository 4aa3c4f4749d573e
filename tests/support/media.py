"""Validate files by their paths."""

from pathlib import Path

from imagequeue.storage.media.validate import Media, validate_media


def validate_file(path: Path) -> Media:
    """Validate a file as a worker does; raises NotMediaError."""
    with path.open("rb") as file:
        return validate_media(file)
