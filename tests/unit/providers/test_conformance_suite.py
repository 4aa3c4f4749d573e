"""The conformance suite accepts the example of a plug-in, and finds each fault put into it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from imagequeue.producer.cli.main import cli
from imagequeue.providers.conformance import check_provider
from support.bfl import PLUGIN, load_subject
from support.faulty_bfl import FAULTS, Whole


def find_problems(provider: Any) -> Iterator[str]:
    for _, problems in check_provider(provider, load_subject(provider).cases):
        yield from problems


def test_whole_provider_passes() -> None:
    assert list(find_problems(Whole())) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found(fault: str) -> None:
    fields, words = FAULTS[fault]
    broken = type("Broken", (Whole,), fields)
    # The checks that follow the one which finds it take longer.
    assert any(words in problem for problem in find_problems(broken()))


def test_network_and_clock_are_found(tmp_path: Path) -> None:
    source = (PLUGIN / "imagequeue_bfl.py").read_text()
    source = source.replace("import re\n", "import re\nimport time\nfrom http import client\n")
    (tmp_path / "impure_bfl.py").write_text(source)
    ran = CliRunner().invoke(
        cli, ["providers", "check", "impure_bfl", "--recorded", str(PLUGIN / "recorded")]
    )
    assert ran.exit_code == 1
    lines = ran.stdout.splitlines()
    assert lines[0] == f"bfl: 35 recorded bodies in {PLUGIN / 'recorded'}"
    assert lines[1:4] == [
        "FAIL  Its module uses no network, no clock and no random numbers",
        "      it imports time: the worker brings what is needed of it",
        "      it imports http: the worker brings what is needed of it",
    ]
    assert [line[:4] for line in lines[4:]] == ["ok  "] * 14


def test_a_missing_kind_of_response_is_named() -> None:
    subject = load_subject(Whole())
    kept = [case for case in subject.cases if case.expect["type"] != "TaskNotFound"]
    (problem,) = [p for _, found in check_provider(subject.provider, kept) for p in found]
    assert problem == "record a status that gives TaskNotFound"


@pytest.mark.parametrize(
    ("name", "source", "words"),
    [
        ("not_there", None, "not_there cannot be imported (ModuleNotFoundError: "),
        ("stops", "raise SystemExit(3)", "stops cannot be imported (SystemExit: 3)"),
        ("empty", "", "empty defines no subclass of Provider"),
        (
            "half",
            "from imagequeue.providers.base import Provider\nclass Half(Provider): pass",
            "Half lacks build_status_request, build_submit_request, parse_callback, ",
        ),
    ],
)
def test_module_without_a_provider_is_refused(
    tmp_path: Path, name: str, source: str | None, words: str
) -> None:
    if source is not None:
        (tmp_path / f"{name}.py").write_text(source)
    ran = CliRunner().invoke(cli, ["providers", "check", name])
    assert ran.exit_code == 1
    assert words in ran.output


def test_file_that_is_no_recorded_body_is_refused(tmp_path: Path) -> None:
    (tmp_path / "wrong.json").write_text('{"kind": "submit", "sttus": 200}')
    ran = CliRunner().invoke(
        cli, ["providers", "check", "imagequeue_bfl", "--recorded", str(tmp_path)]
    )
    assert ran.exit_code == 1
    assert "wrong.json is not a recorded body" in ran.output
