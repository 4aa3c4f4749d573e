"""The example of a plug-in, and a small sandbox of the API that it is for."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import util
from types import ModuleType
from typing import Any

from PIL import Image

from imagequeue.providers.conformance.cases import Subject, load_cases
from support.paths import ROOT
from support.stub import Stub, stub_server

PLUGIN = ROOT / "examples" / "provider_plugin"


def load_plugin() -> ModuleType:
    """Import the module where it lies, without an installation."""
    spec = util.spec_from_file_location("imagequeue_bfl", PLUGIN / "imagequeue_bfl.py")
    assert spec
    assert spec.loader
    module = util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def load_subject(provider: Any) -> Subject:
    return Subject(provider, load_cases(provider, PLUGIN / "recorded"))


@contextmanager
def bfl_sandbox() -> Iterator[Stub]:
    """Serve the API: each task is pending when it is first asked about, and then ready."""
    image = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(image, "PNG")
    asked: list[str] = []

    def answer(method: str, path: str, body: Any) -> Any:
        if method == "POST":
            polling_url = f"{stub.url}/v1/get_result?id=task-1"
            return 200, {"id": "task-1", "polling_url": polling_url, "cost": 3.0}
        if path.startswith("/v1/get_result?id=task-1"):
            asked.append(path)
            if len(asked) == 1:
                return 200, {"id": "task-1", "status": "Pending", "result": None}
            result = {"sample": f"{stub.url}/sample.png"}
            return 200, {"id": "task-1", "status": "Ready", "result": result}
        if path == "/sample.png":
            return 200, image.getvalue(), {"Content-Type": "image/png"}
        return 404, {"detail": "Not Found"}

    with stub_server() as stub:
        stub.answer = answer
        yield stub
