"""What each simulated API is: how it reads orders, responds and calls back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .accounts import bearer_key
from .callbacks import CallbackRules
from .fields import Fields, read_body
from .options import Options
from .state import SandboxState
from .tasks import Task


class Refusal(Exception, ABC):  # noqa: N818  (a provider's response, not an error of the sandbox)
    """A request that a provider refuses, with the provider's own code and message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @abstractmethod
    def to_response(self, options: Options) -> Response:
        """Return the response in the provider's form."""


class ProviderApi(CallbackRules):
    """One provider's API."""

    name: ClassVar[str]
    """Identifies its tasks: only this API reports on them; two APIs may share a provider."""
    provider: ClassVar[str]
    """Its name in the ledger."""
    account: ClassVar[str]
    """Its keys, limits and credit are shared with the vendor's other APIs."""
    charges_failed_tasks: ClassVar[bool] = True
    bad_input: ClassVar[int]
    """The code that refuses an invalid request."""
    unavailable: ClassVar[int]
    """The code of a temporary outage."""

    def __init__(self, state: SandboxState) -> None:
        self.state = state

    def authorise(self, request: Request) -> str:
        """Return the request's key; raises Refusal if it is missing or invalid."""
        key = bearer_key(request)
        if key is None:
            raise self.build_refusal(401)
        return key

    async def read_fields(self, request: Request) -> Fields:
        """Return the fields of a submission."""
        return await read_body(request, self.build_input_refusal)

    @abstractmethod
    def get_limit(self) -> int:
        """Return how many tasks a key may start in 10 seconds; 0 means no limit."""

    @abstractmethod
    def build_refusal(self, code: int, message: str = "") -> Refusal:
        """Return a refusal, by default with the provider's usual message."""

    def build_input_refusal(self, message: str) -> Refusal:
        """Return the refusal of an invalid request."""
        return self.build_refusal(self.bad_input, message)

    @abstractmethod
    def build_credit_refusal(self) -> Refusal:
        """Return the refusal of a key without credit."""

    @abstractmethod
    async def respond(self, task: Task) -> Response:
        """Respond to the submission of an accepted task."""

    @abstractmethod
    def build_routes(self) -> list[Route]:
        """Return its endpoints."""
