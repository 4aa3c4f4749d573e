"""How many random examples the tests try: few in everyday runs, many with THOROUGH=1."""

import os
from typing import Any

from hypothesis import settings

FACTOR = 10 if os.environ.get("THOROUGH") else 1


def examples(count: int, **options: Any) -> settings:
    """Return settings with `count` examples, or ten times as many; no deadline: hosts are busy."""
    return settings(max_examples=count * FACTOR, deadline=None, **options)
