"""Parsing of multipart/form-data with the standard library, enough for small files."""

from __future__ import annotations

from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from typing import cast

from starlette.requests import Request


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a form, as sent."""

    content: bytes
    media_type: str

    @property
    def text(self) -> str:
        """The content of a text field."""
        return self.content.decode(errors="replace")


async def parse_form(request: Request) -> dict[str, Part]:
    """Return the parts of a form by name; empty if the body is not a form."""
    return dict(await parse_parts(request))


async def parse_parts(request: Request) -> list[tuple[str, Part]]:
    """Return the parts of a form, each with its name."""
    content_type = request.headers.get("content-type", "").encode("latin-1")
    head = b"Content-Type: " + content_type + b"\r\n\r\n"
    message = BytesParser(policy=HTTP).parsebytes(head + await request.body())
    return [
        (
            str(part.get_param("name", header="content-disposition")),
            Part(cast(bytes, part.get_payload(decode=True)), part.get_content_type()),
        )
        for part in message.iter_parts()
    ]
