"""A running `up` publishes its settings to programs in the same folder."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from imagequeue.config.local_up import FILE, find_local_up, publish_local_up
from imagequeue.config.settings import ENV_FILE, read_settings
from imagequeue.providers.kie.account import KieAccount


def test_own_settings_win_over_those_of_an_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hard = "it's a \\ 'hard' one"
    variables = {"IMAGEQUEUE_KIE_API_KEY": hard, "IMAGEQUEUE_POLL_TAIL_S": "7"}
    with publish_local_up(Path("data"), {**variables, "IMAGEQUEUE_LEASE_S": "3"}):
        assert stat.S_IMODE((Path("data") / FILE).stat().st_mode) == 0o600
        Path(ENV_FILE).write_text("IMAGEQUEUE_POLL_TAIL_S=8\n")
        monkeypatch.setenv("IMAGEQUEUE_LEASE_S", "4")
        settings = read_settings()
        assert settings.account(KieAccount).api_key
        assert settings.account(KieAccount).api_key.get_secret_value() == hard
        assert (settings.poll_tail_s, settings.lease_s) == (8, 4)
    assert read_settings().account(KieAccount).api_key is None
    assert not (Path("data") / FILE).exists()


def test_killed_up_publishes_nothing(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for first in (f"# of process {ended.pid}", "# of process ", "IMAGEQUEUE_LEASE_S='3'"):
        (tmp_path / FILE).write_text(f"{first}\nIMAGEQUEUE_LEASE_S='3'\n")
        assert find_local_up(tmp_path) is None
    (tmp_path / FILE).write_text(f"# of process {os.getpid()}\n")
    assert find_local_up(tmp_path) == tmp_path / FILE
