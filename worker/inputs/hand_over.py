"""Hand the images of our storage to the provider of a job, just before its paid request.

The intent to pay is not recorded yet: a worker that dies meanwhile leaves the job queued.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import uuid4

from urllib3.filepost import encode_multipart_formdata

from ...jobs.chain import Inputs
from ...jobs.hand_over import Way, find_way
from ...jobs.image import StoredImage
from ...jobs.job import Job, add_seconds
from ...jobs.tokens import build_image_url
from ...providers import get as get_provider
from ...providers.account import UploadAccount
from ...providers.uploads import Uploaded, UploadProvider
from ...providers.wire import MalformedResponseError, ProviderResponse, Refused, RetryLater
from ...store.submit.queue import Permit
from ..account_keys import get_account
from ..context import Context
from ..http.errors import NoResponseError, NotSentError
from ..http.message import Request
from ..refusals import INPUT
from .stored_images import InputError, read_stored

HAND_OVER_S = 60.0
"""How long all images of a job may take, a look at its URLs included."""
URL_LIFETIME_S = 86_400
MAX_RESPONSE_BYTES = 64 * 1024
# Stands for an image in the form of a request. Such a host can never exist.
_PLACEHOLDER = "https://stored.invalid/{}"


class HandedOver(NamedTuple):
    """What the provider gets as the images of a job."""

    urls: tuple[str, ...]
    params: Mapping[str, Any]
    stored: Mapping[str, StoredImage]
    """The images whose bytes are sent in the form of the request, by the URLs that name them."""


def hand_over(
    ctx: Context, job: Job, permit: Permit, inputs: Inputs, deadline: float
) -> HandedOver | Refused | RetryLater:
    """Return what the provider gets with a permit, or why it cannot get the images."""
    try:
        return _hand_over(ctx, job, permit, inputs, deadline)
    except InputError as error:
        return refuse_input(error)


def refuse_input(error: InputError) -> Refused | RetryLater:
    """Return the outcome of a submission whose input cannot be used: nothing was sent."""
    if error.is_lasting:
        return Refused(reason="bad_input", code=INPUT, message=str(error))
    return RetryLater(code=INPUT, message=str(error))


def _hand_over(
    ctx: Context, job: Job, permit: Permit, inputs: Inputs, deadline: float
) -> HandedOver:
    job = job.model_copy(update={"account_key": permit.account_key})
    way = find_way(ctx.settings, get_provider(job.provider, job.params))
    urls: dict[StoredImage, str] = {}
    stored: dict[str, StoredImage] = {}
    for image in dict.fromkeys(inputs.stored.values()):
        match way:
            case Way.UPLOAD:
                # No other worker takes the job meanwhile.
                until = add_seconds(ctx.now(), HAND_OVER_S + ctx.settings.lease_s)
                ctx.submits.extend_lease(job.id, permit, until)
                urls[image] = _upload(ctx, job, image, deadline)
            case Way.FORM:
                urls[image] = _PLACEHOLDER.format(len(stored))
                stored[urls[image]] = image
            case _:
                urls[image] = _build_url(ctx, image)
    given = tuple(image if isinstance(image, str) else urls[image] for image in inputs.images)
    params = {
        name: urls[value] if isinstance(value, StoredImage) else value
        for name, value in inputs.params.items()
    }
    return HandedOver(given, params, stored)


def _build_url(ctx: Context, image: StoredImage) -> str:
    settings = ctx.settings
    expires = int(ctx.now().timestamp()) + URL_LIFETIME_S
    return build_image_url(settings.public_url or "", settings.signing_secrets, image.name, expires)


def _upload(ctx: Context, job: Job, image: StoredImage, deadline: float) -> str:
    """Return the URL of an image at the provider, after its upload."""
    provider, account = get_provider(job.provider, job.params), get_account(ctx, job)
    assert isinstance(provider, UploadProvider)  # noqa: S101  its way says so
    assert isinstance(account, UploadAccount)  # noqa: S101
    # The provider overwrites a file of the same name.
    name = f"{uuid4().hex}.{image.name.rpartition('.')[2]}"
    call = provider.build_upload_request(name)
    content = read_stored(ctx, image, provider.max_upload_bytes)
    file = (name, content, image.content_type)
    body, content_type = encode_multipart_formdata({**call.fields, call.file_field: file})
    request = Request(
        method="POST",
        url=account.upload_url + call.path,
        deadline=deadline,
        headers={**account.headers(), "Content-Type": content_type},
        data=body,
        max_bytes=MAX_RESPONSE_BYTES,
    )
    try:
        response = ctx.http.send(request)
        outcome = provider.parse_upload_response(
            ProviderResponse(status=response.status, body=response.body)
        )
    except (NotSentError, NoResponseError, MalformedResponseError) as error:
        raise InputError(f"an input image was not uploaded: {error}", is_lasting=False) from None
    if isinstance(outcome, Uploaded):
        return outcome.url
    # A server may quote the key that it received.
    detail = f"{outcome.code} {outcome.message}".replace(account.key, "...")
    raise InputError(
        f"an input image was not uploaded: {detail}",
        is_lasting=isinstance(outcome, Refused) and outcome.reason in ("bad_input", "policy"),
    )
