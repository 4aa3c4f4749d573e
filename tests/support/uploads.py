"""Input images for the tests of uploads, and a client that uploads to a test's server."""

from collections.abc import Mapping

import pytest

from imagequeue.config.settings import read_settings
from imagequeue.errors import InvalidRequestError
from imagequeue.producer.client import LocalClient

PNG = b"\x89PNG\r\n\x1a\n"
CAT = PNG + bytes(range(256)) + b"\r\n--cat--\r\n"
URL = "https://example.com/a.png"
EDIT = {"provider": "kie-flux-kontext", "action": "edit", "prompt": "add a hat"}
UPLOADED = {"success": True, "code": 200, "msg": "ok", "data": {"downloadUrl": URL}}
KEY = "a-key-that-must-not-be-seen"


def client_of(overrides: Mapping[str, str], url: str, **more: str) -> LocalClient:
    return LocalClient(read_settings(**{**overrides, "kie_upload_url": url, **more}))


def problems_of(error: pytest.ExceptionInfo[InvalidRequestError]) -> dict[str, str]:
    return {problem.field: problem.message for problem in error.value.problems}
