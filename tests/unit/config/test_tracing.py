"""Tracing that is off makes no spans, and what is traced needs no condition."""

from datetime import UTC, datetime

from imagequeue.config.tracing import is_tracing, span
from imagequeue.jobs.ids import make_job_id


def test_no_span_is_made_where_none_is_recorded() -> None:
    assert not is_tracing()
    with span("submit", make_job_id(datetime.now(UTC))) as made:
        made.set_attribute("http.response.status_code", 200)
        assert not made.get_span_context().is_valid
