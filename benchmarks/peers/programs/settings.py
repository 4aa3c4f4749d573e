"""What the benchmark tells each program, and the jobs that it submits."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

REDIS = os.environ["PEER_REDIS"]
PROVIDER = os.environ["PEER_PROVIDER"]
PICTURES = Path(os.environ["PEER_PICTURES"])
PROMPT = ("a lighthouse in a storm, oil on canvas, " * 8)[:300]
CHUNK_BYTES = 1024 * 1024


def asked() -> Iterator[tuple[str, str]]:
    """A name and a prompt of its own for each job from `argv[1]` up to `argv[2]`."""
    for number in range(int(sys.argv[1]), int(sys.argv[2])):
        yield f"{number:06}", f"{number:06} {PROMPT}"
