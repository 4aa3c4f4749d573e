"""Run the command line inside the test: the same `main`, without starting a process."""

import io
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple

import pytest

from imagequeue.config import process
from imagequeue.config.settings import PREFIX, get_settings
from imagequeue.producer.cli.main import main


class Ran(NamedTuple):
    status: int
    out: str
    err: str


def imagequeue(*arguments: str, settings: Mapping[str, str], stdin: str = "") -> Ran:
    """Run `imagequeue ARGUMENTS` with these settings; uncaught errors propagate."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    get_settings.cache_clear()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["imagequeue", *arguments])
        patch.setattr(sys, "stdin", io.StringIO(stdin))
        # pytest captures the logs of this process.
        patch.setattr(process, "configure_logs", lambda _: None)
        for name, value in settings.items():
            patch.setenv(f"{PREFIX}{name.upper()}", value)
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
    get_settings.cache_clear()
    return Ran(status, out.getvalue(), err.getvalue())
