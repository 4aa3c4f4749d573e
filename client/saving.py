"""Write a file whole or not at all."""

from __future__ import annotations

import os
import uuid
from pathlib import Path


def save(data: bytes, path: str | os.PathLike[str]) -> Path:
    """Write a file under a temporary name, then rename it; an older one is replaced."""
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        temporary.write_bytes(data)
        return temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
