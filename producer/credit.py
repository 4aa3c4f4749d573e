"""The credit that is left of an account's key, as its vendor reports it."""

from __future__ import annotations

from collections.abc import Mapping

import requests

from ..config.settings import Settings, get_variable_name
from ..errors import ImageQueueError
from ..providers.account import CreditAccount
from ..providers.account_keys import AccountKey
from ..providers.wire import ProviderResponse, Refused, StatusUnavailable
from .outgoing import open_session

TIMEOUT_S = 5.0


def ask_credit(
    settings: Settings, account: CreditAccount, key: AccountKey
) -> float | Refused | StatusUnavailable:
    """Return the credit of a key in the vendor's unit, or why there is none.

    Raises ImageQueueError if the vendor does not answer.
    """
    request = account.build_credit_request()
    response = get(
        settings,
        account.base_url + request.path,
        get_variable_name(type(account), "base_url"),
        headers=account.with_key(key).headers(),
        params=request.query,
    )
    return account.parse_credit_response(
        ProviderResponse(status=response.status_code, body=response.content)
    )


def get(
    settings: Settings,
    url: str,
    setting: str,
    *,
    params: Mapping[str, str],
    headers: Mapping[str, str] | None = None,
) -> requests.Response:
    """Send a GET request; raises ImageQueueError that names the `setting` of the URL."""
    with open_session(settings) as session:
        try:
            return session.get(
                url, params=params, headers=headers, timeout=TIMEOUT_S, allow_redirects=False
            )
        except requests.RequestException as error:
            raise ImageQueueError(
                f"{url} does not answer ({type(error).__name__}): start what should answer there, "
                f"or correct {setting}"
            ) from None
