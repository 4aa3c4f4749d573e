"""Logs: an event is a line of text or a JSON object, and a log call never raises."""

import json
import logging

import pytest

from imagequeue.config import process
from imagequeue.config.logging import (
    add_log_context,
    configure_logs,
    get_logger,
    log_context,
)
from imagequeue.config.settings import Settings
from support.logs import restoring_logs


@pytest.fixture
def json_settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"log_format": "json"})


def log_examples(capsys: pytest.CaptureFixture[str]) -> str:
    """Log an event, a record of another library and an exception; return what was written."""
    log = get_logger("imagequeue.tests")
    log.debug("too quiet")
    with log_context(job_id="job_1"):
        log.info("image_saved", bytes=512)
    logging.getLogger("celery.worker").warning("from %s", "elsewhere")
    try:
        raise ZeroDivisionError("by zero")
    except ZeroDivisionError:
        log.exception("step_failed")
    return capsys.readouterr().err


def test_text_line_has_the_job_and_traceback_follows(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs(settings)
    saved, foreign, failed, *traceback = log_examples(capsys).splitlines()
    assert "[info     ] image_saved" in saved
    assert saved.endswith("[imagequeue.tests] bytes=512 job_id='job_1'")
    assert "[warning  ] from elsewhere" in foreign
    assert "[celery.worker]" in foreign
    assert "[error    ] step_failed" in failed
    assert (traceback[0], traceback[-1]) == (
        "Traceback (most recent call last):",
        "ZeroDivisionError: by zero",
    )


def test_json_has_one_object_a_line(
    json_settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs(json_settings)
    saved, foreign, failed = map(json.loads, log_examples(capsys).splitlines())
    known = {"event": "image_saved", "level": "info", "logger": "imagequeue.tests", "bytes": 512}
    assert saved.items() >= {**known, "job_id": "job_1"}.items()
    assert (foreign["event"], foreign["logger"]) == ("from elsewhere", "celery.worker")
    assert "ZeroDivisionError: by zero" in failed["exception"]


@pytest.mark.parametrize("forged", ["a\nforged", "a\r\nforged", "a\x1b[2Kforged", "a\u2028forged"])
def test_event_stays_on_one_line(
    settings: Settings, capsys: pytest.CaptureFixture[str], forged: str
) -> None:
    configure_logs(settings)
    get_logger("imagequeue.tests").info("job_failed", error=forged)
    logging.getLogger("celery.worker").error("task %s", forged)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(line.isprintable() and "forged" in line for line in lines)


def test_access_lines_with_callback_urls_are_not_logged(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs(settings)
    logging.getLogger("uvicorn.access").error("POST /callbacks/kie/job_1/token")
    assert capsys.readouterr().err == ""


def test_context_ends_with_its_block(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs(settings)
    log = get_logger("imagequeue.tests")
    with log_context(job_id="job_1"):
        with log_context(job_id="job_2"):
            add_log_context(provider="kie")
            log.info("one")
        log.info("two")
        log.info("three", job_id="job_3")
    log.info("four")
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition("[imagequeue.tests]")[2].strip() for line in lines] == [
        "job_id='job_2' provider='kie'",
        "job_id='job_1'",
        "job_id='job_3'",
        "",
    ]


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no text of this")


class Endless:
    def __repr__(self) -> str:
        return repr(self)


@pytest.mark.parametrize("value", [Unprintable(), Endless()], ids=["unprintable", "endless"])
@pytest.mark.parametrize("log_format", ["console", "json"])
def test_value_without_text_does_not_raise(
    settings: Settings, capsys: pytest.CaptureFixture[str], value: object, log_format: str
) -> None:
    configure_logs(settings.model_copy(update={"log_format": log_format}))
    log = get_logger("imagequeue.tests")
    log.info("job_failed", error=value)
    log.info("job_dispatched")
    assert "job_dispatched" in capsys.readouterr().err


def test_logs_of_one_test_are_not_those_of_the_next(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with restoring_logs():
        configure_logs(settings)
        process.log.warning("within")
    process.log.warning("after")
    within, after = capsys.readouterr().err.splitlines()
    assert "[imagequeue.config.process]" in within
    assert "[imagequeue.config.process]" not in after
