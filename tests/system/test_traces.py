"""One trace for each job, from its request to its saved image, over all processes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from conftest import Start
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from imagequeue.config.settings import Settings
from imagequeue.jobs.job import State
from imagequeue.producer.client import LocalClient
from support.processes import BIN, WORKER, eventually


@contextmanager
def collecting() -> Iterator[tuple[str, list[Span]]]:
    """A collector of traces: its address, and the spans that it has got."""
    spans: list[Span] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/v1/traces"
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    spans.extend(scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", spans
        server.shutdown()


@pytest.fixture
def overrides(overrides: dict[str, str], sandbox_url: str) -> dict[str, str]:
    return {
        **overrides,
        "kie_base_url": sandbox_url,
        "download_trusted_hosts": sandbox_url.removeprefix("http://"),
        "poll_countdowns": "0.2,1,2",
        "sweep_every_s": "0.1",
        "traces": "true",
        "log_format": "json",
    }


def test_a_job_is_one_trace_over_all_processes(start: Start, settings: Settings) -> None:
    with collecting() as (url, spans):
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        submit = ("submit", "kie-flux-kontext", "a cat", "--delivery", "poll", "--json")
        # Started anew: what a program sends as it ends, a forked one does not.
        cli = start(str(BIN / "imagequeue"), *submit, **environment)
        assert cli.popen.wait(60) == 0, cli.output
        submitted = json.loads(cli.output.splitlines()[-1])
        worker = start(*WORKER, **environment)
        job = LocalClient(settings).wait(submitted["id"], 60)
        assert job.state is State.SUCCEEDED
        root = eventually(lambda: next((each for each in spans if each.name == "job"), None))
        assert worker.stop() == 0

    assert {each.trace_id for each in spans} == {root.trace_id}
    ids = {each.span_id for each in spans}
    assert len(ids) == len(spans)
    assert all(each.parent_span_id in ids for each in spans if each is not root)
    assert root.parent_span_id == b""
    steps = [each.name for each in spans if each.parent_span_id == root.span_id]
    assert {*steps} == {"accept", "submit", "poll", "download"}
    assert {"POST kie-flux-kontext", "GET kie-flux-kontext", "save image"} < {
        each.name for each in spans
    }
    attributes = {each.key: each.value.string_value for each in root.attributes}
    assert attributes["imagequeue.task"] == job.task_id
    assert attributes["imagequeue.state"] == "succeeded"
    lines = [json.loads(line) for line in worker.output.splitlines() if line.startswith("{")]
    of_job = [line for line in lines if line.get("job_id") == job.id]
    assert {line["trace_id"] for line in of_job} == {root.trace_id.hex()}
