"""What the benchmark tells each program, and the jobs that it submits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

REDIS = os.environ["PEER_REDIS"]
PROVIDER = os.environ["PEER_PROVIDER"]
PICTURES = Path(os.environ["PEER_PICTURES"])
PROMPT = ("a lighthouse in a storm, oil on canvas, " * 8)[:300]
CHUNK_BYTES = 1024 * 1024


def asked(first: int, end: int) -> Iterator[tuple[str, str]]:
    """A name and a prompt of its own for each job."""
    for number in range(first, end):
        yield f"{number:06}", f"{number:06} {PROMPT}"
