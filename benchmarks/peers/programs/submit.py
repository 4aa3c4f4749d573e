"""Submit jobs as a service does: `python submit.py PROGRAM FIRST END`."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys

if __name__ == "__main__":
    name, first, end = sys.argv[1:]
    # Imported, not run, so that its tasks have the names that the workers use.
    sending = importlib.import_module(name).send(int(first), int(end))
    if inspect.iscoroutine(sending):
        asyncio.run(sending)
