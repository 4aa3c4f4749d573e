"""What the benchmark passes to each program, and the jobs that a program submits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

REDIS = os.environ["PEER_REDIS"]
PROVIDER = os.environ["PEER_PROVIDER"]
IMAGES = Path(os.environ["PEER_IMAGES"])
CA_FILE = os.environ.get("PEER_CA_FILE")
"""The provider's certificate, if it speaks https."""
PROMPT = ("a lighthouse in a storm, oil on canvas, " * 8)[:300]
CHUNK_BYTES = 1024 * 1024


def iter_jobs(first: int, end: int) -> Iterator[tuple[str, str]]:
    """Yield a unique name and prompt for each job."""
    for number in range(first, end):
        yield f"{number:06}", f"{number:06} {PROMPT}"
