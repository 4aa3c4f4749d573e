"""What the doctor asks over HTTP: the providers for the keys, the receiver for its secret."""

from __future__ import annotations

import hmac
import secrets
from typing import Any

import requests

from ...config.settings import PREFIX, Settings
from ...errors import ImageQueueError
from ...jobs.challenge import proof

TIMEOUT_S = 5.0
REFUSED = (401, 403)


def provider_keys(settings: Settings) -> str:
    """What the keys are good for; AceData has no call that tells it without a bill."""
    found = []
    if settings.kie_api_key:
        found.append(f"kie: {_kie_credit(settings)} credits left")
    if settings.acedata_api_key:
        found.append("acedata: set, not checked")
    if not found:
        raise ImageQueueError(f"none: set {PREFIX}KIE_API_KEY or {PREFIX}ACEDATA_API_KEY")
    return "; ".join(found)


def callbacks(settings: Settings) -> str:
    """Whether the public address leads to a receiver that knows the URLs we give out."""
    if not settings.public_url:
        return f"off: jobs are polled ({PREFIX}PUBLIC_URL is unset)"
    challenge = secrets.token_hex(16)
    answer = _get(f"{settings.public_url}/readyz", f"{PREFIX}PUBLIC_URL", challenge=challenge)
    if answer.status_code != 200:
        raise ImageQueueError(
            f"{settings.public_url}/readyz answers {answer.status_code}: see the receiver's log"
        )
    given = _fields(answer).get("proof")
    if not isinstance(given, str):
        raise ImageQueueError(
            f"what answers at {settings.public_url} is no receiver of this version: have the "
            f"proxy or tunnel lead to it, or mend {PREFIX}PUBLIC_URL"
        )
    if not hmac.compare_digest(
        given.encode(), proof(settings.signing_secrets[0], challenge).encode()
    ):
        raise ImageQueueError(
            f"the receiver at {settings.public_url} has another {PREFIX}SECRET_KEY: "
            "give every process the same"
        )
    return f"our receiver answers at {settings.public_url}"


def _kie_credit(settings: Settings) -> float:
    url, key = settings.account("kie")
    answer = _get(f"{url}/api/v1/chat/credit", f"{PREFIX}KIE_BASE_URL", key=key)
    fields = _fields(answer)
    # kie says most of its errors inside of a 200.
    code = fields.get("code", answer.status_code)
    credit = fields.get("data")
    if code in REFUSED:
        raise ImageQueueError(f"kie refuses the key ({code}): mend {PREFIX}KIE_API_KEY")
    if code != 200 or not isinstance(credit, int | float):
        raise ImageQueueError(f"kie does not tell the credit ({code}): look again in a while")
    if credit <= 0:
        raise ImageQueueError(f"kie: {credit} credits left: top up, or its jobs fail")
    return credit


def _get(url: str, setting: str, key: str = "", **params: str) -> requests.Response:
    with requests.Session() as session:
        # A .netrc or a proxy of this machine must not replace a key or carry it elsewhere.
        session.trust_env = False
        try:
            return session.get(
                url,
                params=params,
                headers={"Authorization": f"Bearer {key}"} if key else {},
                timeout=TIMEOUT_S,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise ImageQueueError(
                f"{url} does not answer ({type(error).__name__}): start what should, or mend "
                f"{setting}"
            ) from None


def _fields(answer: requests.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
