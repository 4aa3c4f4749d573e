"""The sandbox's own endpoints: faults, ledger, health and a page that explains the rest."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from .fault_words import WORDS
from .faults import FaultError
from .fields import read_body
from .rates import RATES
from .state import SandboxState


class Control:
    """`/sandbox`, `/healthz` and `/`; no key needed."""

    def __init__(self, box: SandboxState) -> None:
        self._box = box

    def routes(self) -> list[Route]:
        """Return its endpoints."""
        return [
            Route("/", self.page),
            Route("/healthz", self.health),
            Route("/sandbox/faults", self.show_rates, methods=["GET"]),
            Route("/sandbox/faults", self.change_rates, methods=["PUT"]),
            Route("/sandbox/ledger", self.ledger, methods=["GET"]),
            Route("/sandbox/ledger", self.reset_ledger, methods=["DELETE"]),
            Route("/sandbox/submissions", self.submissions),
        ]

    async def show_rates(self, request: Request) -> Response:
        """Show how often each kind of faults strikes."""
        return JSONResponse(self._box.rates.values)

    async def change_rates(self, request: Request) -> Response:
        """Set the named rates, leave the others, and show all."""
        try:
            self._box.rates.change((await read_body(request, FaultError)).body)
        except FaultError as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse(self._box.rates.values)

    async def ledger(self, request: Request) -> Response:
        """Show the counts."""
        return JSONResponse(self._box.ledger.totals())

    async def reset_ledger(self, request: Request) -> Response:
        """Begin new books."""
        self._box.ledger.reset()
        return Response(status_code=204)

    async def submissions(self, request: Request) -> Response:
        """List every accepted submission in order."""
        return JSONResponse(self._box.ledger.submissions(self._box.clock.now()))

    async def health(self, request: Request) -> Response:
        """Say that the sandbox is up."""
        return JSONResponse({"status": "ok"})

    async def page(self, request: Request) -> Response:
        """Explain the sandbox to whoever opens it in a browser."""
        routes = request.app.routes
        lines = [
            "imagequeue sandbox: the provider wires, simulated; real images, no bill.",
            "",
            "Endpoints:",
            *(f"  {', '.join(sorted(route.methods - {'HEAD'})):7}{route.path}" for route in routes),
            "",
            "Trouble by words in the prompt:",
            *(f"  {f'[{word.syntax}]':25}{word.meaning}" for word in WORDS),
            "",
            "Faults by chance, from 0 to 1, by PUT /sandbox/faults:",
            *(f"  {name:25}{meaning}" for name, meaning in RATES.items()),
        ]
        return PlainTextResponse("\n".join(lines) + "\n")
