"""Logs that are again as they were: one test must not decide where the next one logs."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from imagequeue.config.logging import FLOODED, RECONNECTING


@contextmanager
def restoring_logs() -> Iterator[None]:
    """Undo at the end what was configured for logs inside the block."""
    root, config = logging.getLogger(), structlog.get_config()
    handlers, level = list(root.handlers), root.level
    yield
    # A test that calls a step directly leaves the context of its job behind.
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    root.setLevel(level)
    if structlog.get_config() == config:
        return
    structlog.configure(**config)
    for name in (*FLOODED, *RECONNECTING):
        logging.getLogger(name).filters.clear()
    for name, module in list(sys.modules.items()):
        if name.startswith("imagequeue.") and "log" in vars(module):
            # A logger keeps the configuration of its first use.
            vars(vars(module)["log"]).pop("bind", None)
