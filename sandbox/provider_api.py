"""What each provider's wire is to the rest: how it reads, answers and calls back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .accounts import bearer_key
from .callbacks import Sender
from .options import Options
from .state import SandboxState
from .tasks import Task


class Refusal(Exception, ABC):  # noqa: N818  (a provider's answer, not a fault of the sandbox)
    """A request that a provider turns down, by its own code and in its own words."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @abstractmethod
    def response(self, options: Options) -> Response:
        """Write the refusal as the provider does."""


class ProviderApi(Sender):
    """One provider's API."""

    name: ClassVar[str]
    """Tasks are looked up on the wire that took them; two wires may share a provider."""
    provider: ClassVar[str]
    """What the ledger calls it."""
    account: ClassVar[str]
    """Whose keys, limits and credit it shares with its sister wires."""
    bad_input: ClassVar[int]
    """The code of a request that makes no sense."""
    unavailable: ClassVar[int]
    """The code of a provider that is down for a while."""

    def __init__(self, box: SandboxState) -> None:
        self.box = box

    def authorised(self, request: Request) -> str:
        """Return the request's key; raises Refusal where it is missing or bad."""
        key = bearer_key(request)
        if key is None:
            raise self.refusal(401)
        return key

    @abstractmethod
    def limit(self) -> int:
        """How many tasks a key may start in 10 seconds; 0 is no limit."""

    @abstractmethod
    def refusal(self, code: int, message: str = "") -> Refusal:
        """Make a refusal, in the provider's usual words where none are given."""

    def complaint(self, message: str) -> Refusal:
        """Make the refusal of a request that makes no sense."""
        return self.refusal(self.bad_input, message)

    @abstractmethod
    def out_of_credit(self) -> Refusal:
        """Make the refusal of a key that cannot pay."""

    @abstractmethod
    async def answer(self, task: Task) -> Response:
        """Answer the submission of an accepted task."""

    @abstractmethod
    def routes(self) -> list[Route]:
        """Return its endpoints."""
