"""An S3 that is served on this machine, as fixtures."""

import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from imagequeue.storage import Storage

SECRET = "s3cr3t-of-nobody"

Answer = tuple[str, bytes] | None
UNAVAILABLE = ("503 Service Unavailable", b"")


class S3:
    """moto's S3 over HTTP; it records the requests, and `gate` may answer in its place."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.url = ""
        self.asked: list[str] = []
        self.gate: Callable[[str], Answer] = lambda _: None

    def __call__(self, environ: Any, start_response: Any) -> Any:
        request = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}?{environ['QUERY_STRING']}"
        self.asked.append(request)
        if (answer := self.gate(request)) is None:
            return self.app(environ, start_response)
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response(answer[0], [("Content-Length", str(len(answer[1])))])
        return [answer[1]]

    @property
    def writes(self) -> int:
        return sum(request.startswith(("PUT", "POST")) for request in self.asked)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    try:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server
    except ImportError:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("moto is not installed")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    s3 = S3(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, s3, threaded=True)
    s3.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    requests.put(f"{s3.url}/images", timeout=10).raise_for_status()
    yield s3
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def s3(s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    for name in [name for name in os.environ if name.startswith(("AWS_", "AZURE_", "GOOGLE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    s3_server.asked.clear()
    yield s3_server
    s3_server.gate = lambda _: None


def keep(
    storage: Storage, name: str, data: bytes, content_type: str = "image/png", **options: bool
) -> str:
    sha256 = hashlib.sha256(data).hexdigest()
    with storage.temporary() as file:
        file.write(data)
        return storage.put(name, file, content_type=content_type, sha256=sha256, **options)
