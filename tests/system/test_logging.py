"""Logs: an event is a line for people, or a JSON object, and nothing in it breaks the line."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from imagequeue.config import logging as logs
from imagequeue.config.logging import (
    add_to_log,
    configure_logs,
    for_people,
    get_logger,
    log_context,
)
from imagequeue.config.settings import Settings


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    logs._about.set({})
    root, config = logging.getLogger(), structlog.get_config()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.configure(**config)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Accepted", "Accepted"),
        ("https://x.example/a.png", "https://x.example/a.png"),
        ("two words", "'two words'"),
        ("", "''"),
        ("a=b", "'a=b'"),
        ("line\nforged", r"'line\nforged'"),
        (3, "3"),
        (None, "None"),
    ],
)
def test_a_value_is_quoted_where_it_would_not_be_read_as_one(value: object, shown: str) -> None:
    event = {"timestamp": "now", "level": "info", "event": "said", "logger": "x", "value": value}
    assert for_people(None, "info", event) == f"now [info     ] said{' ' * 27}[x] value={shown}"


def said(capsys: pytest.CaptureFixture[str]) -> str:
    log = get_logger("imagequeue.tests")
    log.debug("too quiet")
    with log_context(job_id="job_1"):
        log.info("stored", bytes=512)
    logging.getLogger("celery.worker").warning("from %s", "elsewhere")
    try:
        raise ZeroDivisionError("by zero")
    except ZeroDivisionError:
        log.exception("broke")
    return capsys.readouterr().err


def test_lines_for_people_carry_the_job_and_tracebacks_stand_below(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs(settings)
    stored, foreign, broke, *traceback = said(capsys).splitlines()
    assert "[info     ] stored" in stored
    assert stored.endswith("[imagequeue.tests] bytes=512 job_id=job_1")
    assert "[warning  ] from elsewhere" in foreign
    assert "[error    ] broke" in broke
    assert (traceback[0], traceback[-1]) == (
        "Traceback (most recent call last):",
        "ZeroDivisionError: by zero",
    )


def test_json_has_an_object_a_line(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(settings.model_copy(update={"log_format": "json"}))
    stored, foreign, broke = map(json.loads, said(capsys).splitlines())
    known = {"event": "stored", "level": "info", "logger": "imagequeue.tests", "bytes": 512}
    assert stored.items() >= {**known, "job_id": "job_1"}.items()
    assert (foreign["event"], foreign["logger"]) == ("from elsewhere", "celery.worker")
    assert "ZeroDivisionError: by zero" in broke["exception"]


def test_lines_carry_what_they_are_about_and_nothing_of_what_was_before(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs(settings)
    log = get_logger("imagequeue.tests")
    with log_context(job_id="job_1", provider=""):
        add_to_log(provider="kie")
        with log_context(job_id="job_2"):
            log.info("one")
        log.info("two", provider="other")
    log.info("three")
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition("[imagequeue.tests]")[2].strip() for line in lines] == [
        "job_id=job_2 provider=kie",
        "job_id=job_1 provider=other",
        "",
    ]
