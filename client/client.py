"""The client that blocks, and the way to the one that needs no API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._sync.client import Client as HttpClient

if TYPE_CHECKING:
    from ..config.settings import Settings
    from ..producer.client import LocalClient


class Client(HttpClient):
    """Submits, follows and changes jobs of a queue by its HTTP API; safe to share.

    `url` and `api_key` are by default IMAGEQUEUE_URL and IMAGEQUEUE_API_KEY. Each call repeats its
    request where that is safe, for `timeout_s` at most; a submit is never two jobs. Every method
    raises AccessError for a refused key, LimitError beyond a limit of the key, and
    ApiUnavailableError if the API does not answer in that time.
    """

    @staticmethod
    def local(settings: Settings | None = None, *, name: str = "python") -> LocalClient:
        """Return a client that talks to Redis itself, with the settings of the queue."""
        from ..producer.client import LocalClient

        return LocalClient(settings, name=name)
