"""Images at the URLs of a stub, and how often it was asked for them."""

import io
from typing import Any

from PIL import Image

from support.jobs import KIE_ACCEPTED
from support.stub import Stub
from support.worker.downloads import make_image

PNG = make_image("PNG")
PAGE = b"<!doctype html><title>Not here</title>"
VIDEO = b"\0\0\0\x18ftypmp42"
BACKGROUND = "recraft/remove-background"


def make_flat(kind: str, size: tuple[int, int]) -> bytes:
    """A large image that is made quickly."""
    buffer = io.BytesIO()
    Image.new("L", size).save(buffer, kind)
    return buffer.getvalue()


def serve(stub: Stub, *answers: Any) -> None:
    """Let the stub answer the looks one after the other, the last one from then on."""
    left = list(answers)

    def answer(method: str, *_: Any) -> Any:
        if method == "POST":
            return KIE_ACCEPTED
        return left.pop(0) if len(left) > 1 else left[0]

    stub.answer = answer


def count_looks(stub: Stub) -> int:
    return len([method for method, _, _ in stub.asked if method == "GET"])
