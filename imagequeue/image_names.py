"""Templates for the names of saved images, such as `{metadata.sku}/{index}.{ext}`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from .suggest import suggest

FIELDS = ("job", "index", "ext", "kind", "provider", "model", "batch", "date")
METADATA = "metadata."
KNOWN = f"known: {', '.join(FIELDS)}, {METADATA}NAME"
MAX_TEMPLATE_CHARACTERS = 500
# With a job's id behind it, a part stays below the 255 bytes that file systems allow, and the
# whole below the 1,024 of buckets.
MAX_PART_BYTES = 200
MAX_NAME_BYTES = 600
RESERVED = "uploads"

_FIELD = re.compile(r"\{([^{}]*)\}")
# What some file system, bucket or shell gives a meaning.
_UNSAFE = re.compile(r'[\\/:*?"<>|%#{}\[\]^`~]')


def check_template(template: str) -> str:
    """Return a template; raises ValueError if no job could use it."""
    for name in list_fields(template):
        is_metadata = name.startswith(METADATA) and name != METADATA
        if name not in FIELDS and not is_metadata:
            hint = suggest(name, FIELDS)
            raise ValueError(f"unknown field {{{name}}}; {f'{hint} ' if hint else ''}{KNOWN}")
    literal = _FIELD.sub("x", template)
    if literal.startswith("/") or literal.endswith("/") or "//" in literal:
        raise ValueError("must be a relative path such as {metadata.sku}/{index}.{ext}")
    if any(part.startswith(".") for part in literal.split("/")):
        raise ValueError("no part may begin with a dot")
    if found := _UNSAFE.search(literal.replace("/", "")):
        raise ValueError(f"must not contain {found[0]}")
    if not literal.isprintable() or not literal:
        raise ValueError("must be printable text")
    return template


def list_fields(template: str) -> Iterator[str]:
    """Yield the name of each field of a template."""
    return (found[1] for found in _FIELD.finditer(template))


def fill_template(template: str, get: Callable[[str], str]) -> str:
    """Return the name that a template makes of the values that `get` returns for its fields.

    A value never becomes a folder of its own: what is unsafe in it is replaced. The name ends with
    the extension. Raises ValueError for an empty value, or a name that is too long or reserved.
    """
    if not template.endswith(".{ext}"):
        template += ".{ext}"

    def fill(field: re.Match[str]) -> str:
        if value := make_safe(get(field[1])):
            return value
        raise ValueError(f"{{{field[1]}}} has no character that a name can have")

    name = _FIELD.sub(fill, template)
    check_length(name)
    return name


def check_length(name: str) -> None:
    """Raise ValueError for a name that some storage would refuse, or that is reserved."""
    longest = max(len(part.encode()) for part in name.split("/"))
    if longest > MAX_PART_BYTES or len(name.encode()) > MAX_NAME_BYTES:
        raise ValueError(
            f"makes a name with more than {MAX_PART_BYTES} bytes between slashes, or "
            f"{MAX_NAME_BYTES} in all"
        )
    if name.lower().startswith(f"{RESERVED}/"):
        raise ValueError(f"leads into the folder {RESERVED}, which is reserved")


def make_safe(value: str) -> str:
    """Return a value as a part of a name: without separators, dots at its ends, and white space."""
    text = unicodedata.normalize("NFC", value)
    text = "".join(each if each.isprintable() else "-" for each in _UNSAFE.sub("-", text))
    return text.strip(" .")


ImageName = Annotated[
    str, StringConstraints(max_length=MAX_TEMPLATE_CHARACTERS), AfterValidator(check_template)
]
"""A template that is valid for some job."""
