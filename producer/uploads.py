"""Input images that are local files: inspected, then uploaded to the provider for a URL."""

from __future__ import annotations

import io
import re
import stat
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from urllib3.filepost import encode_multipart_formdata

from ..config.settings import Settings, get_variable_name
from ..errors import InvalidRequestError, Problem, UploadError
from ..jobs.chain import is_name
from ..providers import PROVIDERS
from ..providers.account import UploadAccount
from ..providers.base import Provider
from ..providers.uploads import Uploaded, UploadOutcome, UploadProvider
from ..providers.wire import MalformedResponseError, ProviderResponse, Refused, RetryLater
from .outgoing import open_session

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 60.0
PAUSES_S = (0.5, 1.0, 2.0)
"""Pauses before the retries of one upload."""

# Stands for a file's URL, so that the rest of the request is checked before any upload.
PLACEHOLDER = "https://not-uploaded-yet.invalid/"

_SIGNATURES = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
}
_MAX_SIGNATURE = 12

Images = str | Path | Sequence[str | Path]
"""URLs and paths of files; a text that starts with http:// or https:// is a URL."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A local file that looks like an image, and the provider that will receive it."""

    path: Path
    media_type: str
    provider: UploadProvider

    def make_name(self) -> str:
        """Return a new random name: the provider overwrites a file of the same name."""
        return f"{uuid.uuid4().hex}.{self.media_type.removeprefix('image/')}"


@dataclass(frozen=True, slots=True)
class UnresolvedRequest:
    """The fields of a request in which placeholder URLs stand for the files of its `image`."""

    fields: Mapping[str, Any]
    images: tuple[str | ImageFile, ...]
    problems: tuple[Problem, ...]
    """What is wrong with the files."""


def find_files(request: Mapping[str, Any]) -> UnresolvedRequest:
    """Inspect the files in a request's `image`; nothing is uploaded, no other field is checked.

    Raises InvalidRequestError if `image` is neither a URL, a path nor a list of them.
    """
    fields = dict(request)
    given = _to_list(fields.pop("image", ()))
    if given and fields.get("image_urls"):
        raise InvalidRequestError([Problem("image", "takes URLs too: leave image_urls out")])
    if given:
        fields["image_urls"] = [str(each) if _is_url(each) else PLACEHOLDER for each in given]
    images: list[str | ImageFile] = []
    problems: list[Problem] = []
    if provider := PROVIDERS.get(str(fields.get("provider"))):
        for index, each in enumerate(given):
            try:
                images.append(str(each) if _is_url(each) else _inspect(Path(each), provider))
            except ValueError as error:
                problems.append(Problem(f"image_urls.{index}", str(error)))
    return UnresolvedRequest(fields, tuple(images), tuple(problems))


def upload_files(settings: Settings, images: Sequence[str | ImageFile]) -> tuple[str, ...]:
    """Upload the files and return the URL of every image; raises UploadError."""
    return tuple(
        _upload(settings, image) if isinstance(image, ImageFile) else image for image in images
    )


def _to_list(images: object) -> tuple[str | Path, ...]:
    items = [images] if isinstance(images, str | Path) else images
    if not isinstance(items, Sequence) or not all(isinstance(i, str | Path) for i in items):
        raise InvalidRequestError(
            [Problem("image", "must be a URL, the path of a file, or a list of them")]
        )
    return tuple(items)


def _is_url(image: str | Path) -> bool:
    if not isinstance(image, str):
        return False
    return image.lower().startswith(("http://", "https://")) or is_name(image)


def _inspect(path: Path, provider: Provider) -> ImageFile:
    """Check a file by its size and first bytes; raises ValueError with what to change."""
    if not isinstance(provider, UploadProvider):
        raise ValueError(
            f"must be an http:// or https:// URL that {provider.name} can fetch, or an id that "
            "`imagequeue upload` printed: it takes no files"
        )
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # opening a pipe would block
            raise ValueError(f"{path} is not a regular file")
        if not 0 < found.st_size <= provider.max_upload_bytes:
            limit = provider.max_upload_bytes
            raise ValueError(f"{path} has {found.st_size} bytes; the limits are 1 and {limit}")
        with path.open("rb") as file:
            head = file.read(_MAX_SIGNATURE)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ValueError(f"{path}: {reason}; give a file, or an http:// or https:// URL") from None
    for media_type, signature in _SIGNATURES.items():
        if signature.match(head):
            return ImageFile(path, media_type, provider)
    raise ValueError(f"{path} is not an image: give a PNG, JPEG, WebP or GIF file")


def _upload(settings: Settings, image: ImageFile) -> str:
    """Upload a file and return its URL at the provider; raises UploadError."""
    (key, *_) = settings.usable_keys(image.provider)
    full = settings.account(image.provider.account)
    account = full.with_key(key)
    try:
        outcome = _send_with_retries(settings, image, account)
    except OSError as error:
        raise UploadError(f"{image.path}: {error.strerror or type(error).__name__}") from None
    except MalformedResponseError as error:
        outcome = Refused(reason="provider", code="malformed", message=str(error))
    if isinstance(outcome, Uploaded):
        return outcome.url
    where = f"{image.path} was not uploaded to {account.upload_url}"
    if isinstance(outcome, Refused) and outcome.reason == "auth":
        variable = get_variable_name(type(account), full.find_key_field(key))
        raise UploadError(f"{where}: the key was refused; check {variable}")
    # A server may quote the key that it received.
    detail = f"{outcome.code} {outcome.message}".replace(account.key, "...")
    advice = "try again later, or " if isinstance(outcome, RetryLater) else ""
    raise UploadError(
        f"{where}: {detail}; {advice}check {get_variable_name(type(account), 'upload_url')}"
    )


def _send_with_retries(
    settings: Settings, image: ImageFile, account: UploadAccount
) -> UploadOutcome:
    name = image.make_name()
    request = image.provider.build_upload_request(name)
    file = (name, image.path.read_bytes(), image.media_type)
    body, content_type = encode_multipart_formdata({**request.fields, request.file_field: file})
    with open_session(settings) as session:
        session.headers.update({**account.headers(), "Content-Type": content_type})
        for pause_s in (*PAUSES_S, None):
            outcome = _send(session, image.provider, account.upload_url + request.path, body)
            if pause_s is None or not isinstance(outcome, RetryLater):
                break
            time.sleep(pause_s)
    return outcome


def _send(
    session: requests.Session, provider: UploadProvider, url: str, body: bytes
) -> UploadOutcome:
    timeout = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S)
    try:
        # A file is sent in blocks, each with its own timeout; bytes would share a single one.
        response = session.post(url, io.BytesIO(body), timeout=timeout, allow_redirects=False)
    except requests.RequestException as error:
        return RetryLater(code="no response", message=f"({type(error).__name__})")
    return provider.parse_upload_response(
        ProviderResponse(status=response.status_code, body=response.content)
    )
