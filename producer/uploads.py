"""Input images that are files of this machine: checked, uploaded to the provider, named by URL."""

from __future__ import annotations

import functools
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

from ..config.settings import Settings, variable_of
from ..errors import InvalidRequestError, Problem, UploadError
from ..providers import PROVIDERS
from ..providers.account import UploadAccount
from ..providers.base import Provider
from ..providers.uploads import Uploaded, UploadOutcome, UploadProvider
from ..providers.wire import MalformedResponseError, ProviderResponse, Refused, RetryLater

CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 60.0
PAUSES_S = (0.5, 1.0, 2.0)
"""Before each further try."""

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
"""URLs, and files by their paths: a text with http:// or https:// before it is a URL."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A local file that looks like an image, and the provider that will receive it."""

    path: Path
    media_type: str
    provider: UploadProvider

    def new_name(self) -> str:
        """A name that nobody guesses or has used: the provider would overwrite the other file."""
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
    given = _listed(fields.pop("image", ()))
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


def _listed(images: object) -> tuple[str | Path, ...]:
    listed = [images] if isinstance(images, str | Path) else images
    if not isinstance(listed, Sequence) or not all(isinstance(i, str | Path) for i in listed):
        raise InvalidRequestError(
            [Problem("image", "must be a URL, the path of a file, or a list of them")]
        )
    return tuple(listed)


def _is_url(image: str | Path) -> bool:
    return isinstance(image, str) and image.lower().startswith(("http://", "https://"))


def _inspect(path: Path, provider: Provider) -> ImageFile:
    """Look at a file without reading it whole; raises ValueError with what to change."""
    if not isinstance(provider, UploadProvider):
        raise ValueError(
            f"must be an http:// or https:// URL that {provider.name} can fetch: it takes no files"
        )
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # a pipe would block whoever opens it
            raise ValueError(f"{path} is no regular file")
        if not 0 < found.st_size <= provider.max_upload_bytes:
            most = provider.max_upload_bytes
            raise ValueError(f"{path} has {found.st_size} bytes, and may have from 1 to {most}")
        with path.open("rb") as file:
            head = file.read(_MAX_SIGNATURE)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ValueError(f"{path}: {reason}; give a file, or an http:// or https:// URL") from None
    for media_type, signature in _SIGNATURES.items():
        if signature.match(head):
            return ImageFile(path, media_type, provider)
    raise ValueError(f"{path} is no image: give a PNG, JPEG, WebP or GIF file")


def _upload(settings: Settings, image: ImageFile) -> str:
    """The URL under which the provider has the file now; raises UploadError."""
    account = settings.account_with_key(image.provider.account)
    try:
        said = _send_until_settled(image, account)
    except OSError as error:
        raise UploadError(f"{image.path}: {error.strerror or type(error).__name__}") from None
    except MalformedResponseError as error:
        said = Refused(reason="provider", code="unreadable", message=str(error))
    if isinstance(said, Uploaded):
        return said.url
    where = f"{image.path} was not uploaded to {account.upload_url}"
    if isinstance(said, Refused) and said.reason == "auth":
        raise UploadError(
            f"{where}: the key was refused; check {variable_of(type(account), 'api_key')}"
        )
    # A server may quote what it was sent.
    words = f"{said.code} {said.message}".replace(account.key, "...")
    advice = "try again later, or " if isinstance(said, RetryLater) else ""
    raise UploadError(f"{where}: {words}; {advice}check {variable_of(type(account), 'upload_url')}")


def _send_until_settled(image: ImageFile, account: UploadAccount) -> UploadOutcome:
    name = image.new_name()
    call = image.provider.build_upload_request(name)
    file = (name, image.path.read_bytes(), image.media_type)
    body, content_type = encode_multipart_formdata({**call.fields, call.file_field: file})
    headers = {**account.headers(), "Content-Type": content_type}
    send = functools.partial(_send, image.provider, account.upload_url + call.path, headers, body)
    said = send()
    for pause_s in PAUSES_S:
        if not isinstance(said, RetryLater):
            break
        time.sleep(pause_s)
        said = send()
    return said


def _send(
    provider: UploadProvider, url: str, headers: Mapping[str, str], body: bytes
) -> UploadOutcome:
    timeout = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S)
    with requests.Session() as session:
        # A .netrc or a proxy of this machine must not replace the key or carry it elsewhere.
        session.trust_env = False
        try:
            # As a file it goes out in blocks: one send, however large, has but one timeout.
            answer = session.post(
                url, io.BytesIO(body), headers=headers, timeout=timeout, allow_redirects=False
            )
        except requests.RequestException as error:
            return RetryLater(code="no answer", message=f"({type(error).__name__})")
    return provider.parse_upload_response(
        ProviderResponse(status=answer.status_code, body=answer.content)
    )
