"""The endpoints that describe the providers."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query

from ....providers import PROVIDERS
from ....providers.describe import ProviderDetails, describe_provider, list_providers
from ..access import Access
from ..problems import error_responses


def routes(access: Access) -> APIRouter:
    """Return the routes that list providers, and describe what one takes."""
    router = APIRouter(prefix="/v1/providers", tags=["providers"], dependencies=[Depends(access)])

    @router.get(
        "", summary="List the providers", name="list_providers", responses=error_responses(422)
    )
    def list_all(
        details: Annotated[
            bool, Query(description="`false`: without the requests, which take 200 KB.")
        ] = True,
    ) -> list[ProviderDetails]:
        """Return every provider with the requests that it takes, each as JSON Schema."""
        if details:
            return [describe_provider(name) for name in PROVIDERS]
        return [ProviderDetails(**each.model_dump(), requests=[]) for each in list_providers()]

    @router.get(
        "/{name}",
        summary="Describe a provider",
        name="get_provider",
        responses=error_responses(404, 422),
    )
    def describe(
        name: str,
        model: Annotated[str | None, Query(description="Only the requests for this model.")] = None,
    ) -> ProviderDetails:
        """Return the requests that a provider takes, each as JSON Schema, and their prices."""
        if name not in PROVIDERS:
            raise HTTPException(404, f"no provider {name}; known: {', '.join(PROVIDERS)}")
        return describe_provider(name, model)

    return router
