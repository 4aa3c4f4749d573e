"""How a request can fail, named for what the caller may do next. No message holds a URL."""

from __future__ import annotations


class NotSentError(Exception):
    """Nothing of the request left this machine: it cannot have been paid."""


class NoResponseError(Exception):
    """The request was sent, and no complete response arrived: its outcome is unknown."""


class InvalidUrlError(NotSentError):
    """The URL, or one that it redirects to, is not a valid web address; or it redirects forever."""


class PrivateAddressError(NotSentError):
    """The URL leads to an address that is neither public nor trusted."""
