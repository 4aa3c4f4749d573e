"""The checks over HTTP: provider keys, and the callback receiver with its secret."""

from __future__ import annotations

import hmac
import secrets
import socket
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

import requests

from ...config.settings import PREFIX, Settings, get_variable_name
from ...errors import ImageQueueError
from ...jobs.tokens import sign_challenge
from ...providers import accounts
from ...providers.account import Account, CreditAccount
from ...providers.account_keys import AccountKey
from ...providers.wire import Refused, StatusUnavailable
from ..credit import ask_credit, get

# Clash and its like answer every name with an address from here.
FAKE_NETWORK = ip_network("198.18.0.0/15")


def check_provider_keys(settings: Settings) -> str:
    """Return what each key is good for; raises ImageQueueError without a key that can pay."""
    set_up = [settings.account(kind) for kind in accounts()]
    if not any(account.keys for account in set_up):
        names = (get_variable_name(kind, "api_key") for kind in accounts())
        raise ImageQueueError(f"none: set {' or '.join(names)}")
    found, problems = [], []
    for account in set_up:
        for key in account.keys:
            try:
                found.append(_check_key(settings, account, key))
            except ImageQueueError as error:
                problems.append(str(error))
    if problems:
        raise ImageQueueError("; ".join(problems))
    return "; ".join(found)


def check_outgoing(settings: Settings) -> str:
    """Return which way requests to providers, image hosts and webhooks take.

    Raises ImageQueueError where names lead to the fake addresses of a proxy on this network.
    """
    # Without its user and password.
    proxy = settings.proxy_url.rstrip("/").rpartition("@")[2].rpartition("/")[2]
    way = f"through the proxy {proxy}" if proxy else "direct, without a proxy"
    if not proxy:
        _require_real_addresses(settings)
    return f"{way}; trusting {settings.ca_file or 'the public certificate authorities'}"


def _require_real_addresses(settings: Settings) -> None:
    if FAKE_NETWORK in settings.download_trusted_networks:
        return
    for account in (settings.account(kind) for kind in accounts()):
        host = urlsplit(account.base_url).hostname or ""
        for address in _resolve(host) if account.keys else ():
            if ip_address(address) in FAKE_NETWORK:
                raise ImageQueueError(
                    f"{host} leads to {address}, a fake address of a proxy on this network, so no "
                    f"image is downloaded: set {PREFIX}DOWNLOAD_TRUSTED_NETWORKS={FAKE_NETWORK}, "
                    f"and {PREFIX}WEBHOOK_TRUSTED_NETWORKS for webhooks"
                )


def _resolve(host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:  # the check of the provider's key reports it
        return []
    return [str(address[0]).partition("%")[0] for *_, address in found]


def check_callbacks(settings: Settings) -> str:
    """Check that the public URL leads to a receiver with the same secret key."""
    if not settings.public_url:
        return f"off: jobs are polled ({PREFIX}PUBLIC_URL is unset)"
    challenge = secrets.token_hex(16)
    answer = get(
        settings,
        f"{settings.public_url}/readyz",
        f"{PREFIX}PUBLIC_URL",
        params={"challenge": challenge},
    )
    if answer.status_code != 200:
        raise ImageQueueError(
            f"{settings.public_url}/readyz answers {answer.status_code}: check the receiver's log"
        )
    received = _fields(answer).get("proof")
    if not isinstance(received, str):
        raise ImageQueueError(
            f"{settings.public_url} is not a receiver of this version: point the proxy or tunnel "
            f"at it, or correct {PREFIX}PUBLIC_URL"
        )
    if not hmac.compare_digest(
        received.encode(), sign_challenge(settings.signing_secrets[0], challenge).encode()
    ):
        raise ImageQueueError(
            f"the receiver at {settings.public_url} has another {PREFIX}SECRET_KEY: "
            "give every process the same"
        )
    return f"the receiver answers at {settings.public_url}"


def _check_key(settings: Settings, account: Account, key: AccountKey) -> str:
    """Return a key's name and credit; raises ImageQueueError if it cannot pay."""
    name = account.name if len(account.keys) == 1 else f"{account.name} {key.name}"
    if not isinstance(account, CreditAccount):
        return f"{name}: set, not checked"
    credit = ask_credit(settings, account, key)
    match credit:
        case Refused(code=code):
            variable = get_variable_name(type(account), account.find_key_field(key))
            raise ImageQueueError(f"{name} refuses the key ({code}): correct {variable}")
        case StatusUnavailable(code=code):
            raise ImageQueueError(f"{name} does not report the credit ({code}): try again later")
    if credit <= 0:
        raise ImageQueueError(f"{name}: {credit} credits left: top up, or its jobs fail")
    return f"{name}: {credit} credits left"


def _fields(answer: requests.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
