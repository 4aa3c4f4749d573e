"""The sandbox's own endpoints: faults, ledger, health and a page that lists the rest."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from .faults.faults import FaultError
from .faults.rates import RATES
from .faults.words import WORDS
from .fields import read_body
from .state import SandboxState


class Control:
    """`/sandbox`, `/healthz` and `/`; they need no key."""

    def __init__(self, state: SandboxState) -> None:
        self._state = state

    def build_routes(self) -> list[Route]:
        """Return its endpoints."""
        return [
            Route("/", self.page),
            Route("/healthz", self.health),
            Route("/sandbox/faults", self.show_rates, methods=["GET"]),
            Route("/sandbox/faults", self.change_rates, methods=["PUT"]),
            Route("/sandbox/credit", self.top_up, methods=["POST"]),
            Route("/sandbox/ledger", self.ledger, methods=["GET"]),
            Route("/sandbox/ledger", self.reset_ledger, methods=["DELETE"]),
            Route("/sandbox/submissions", self.submissions),
        ]

    async def show_rates(self, request: Request) -> Response:
        """Show the rate of each kind of fault."""
        return JSONResponse(self._state.rates.values)

    async def change_rates(self, request: Request) -> Response:
        """Set the named rates and show all."""
        try:
            self._state.rates.update((await read_body(request, FaultError)).body)
        except FaultError as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse(self._state.rates.values)

    async def top_up(self, request: Request) -> Response:
        """Add credit to every key."""
        credit = (await read_body(request, FaultError)).body.get("credit")
        if not isinstance(credit, int | float) or not 0 <= credit <= 1e12:
            return JSONResponse({"error": "credit must be a number of credits to add"}, 400)
        self._state.accounts.top_up(credit)
        return Response(status_code=204)

    async def ledger(self, request: Request) -> Response:
        """Show the counts."""
        return JSONResponse(self._state.ledger.totals())

    async def reset_ledger(self, request: Request) -> Response:
        """Set all counts to zero and remove the submissions."""
        self._state.ledger.reset()
        return Response(status_code=204)

    async def submissions(self, request: Request) -> Response:
        """List every accepted submission in order."""
        return JSONResponse(self._state.ledger.submissions(self._state.clock.now()))

    async def health(self, request: Request) -> Response:
        """Respond that the sandbox is running."""
        return JSONResponse({"status": "ok"})

    async def page(self, request: Request) -> Response:
        """Describe the sandbox in plain text."""
        routes = request.app.routes
        lines = [
            "imagequeue sandbox: the providers' APIs, simulated; real images, no bill.",
            "",
            "Endpoints:",
            *(f"  {', '.join(sorted(route.methods - {'HEAD'})):7}{route.path}" for route in routes),
            "",
            "Faults by words in the prompt:",
            *(f"  {f'[{word.syntax}]':25}{word.meaning}" for word in WORDS),
            "",
            "Faults by chance, from 0 to 1, by PUT /sandbox/faults:",
            *(f"  {name:25}{meaning}" for name, meaning in RATES.items()),
        ]
        return PlainTextResponse("\n".join(lines) + "\n")
