"""Files looked at by their paths."""

from pathlib import Path

from imagequeue.worker.media.validate import Media, validate_media


def examined(path: Path) -> Media:
    """What a worker makes of a file; raises NotMediaError."""
    with path.open("rb") as file:
        return validate_media(file)
