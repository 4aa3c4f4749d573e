"""The endpoints that describe the providers."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query

from ...providers import PROVIDERS
from ...providers.describe import (
    ProviderDetails,
    ProviderSummary,
    describe_provider,
    list_providers,
)
from .access import Access
from .problems import error_responses


def routes(access: Access) -> APIRouter:
    """Return the routes that list providers, and describe what one takes."""
    router = APIRouter(prefix="/v1/providers", tags=["providers"], dependencies=[Depends(access)])

    @router.get("", summary="List the providers", name="list_providers")
    def list_all() -> list[ProviderSummary]:
        """Return every provider with its actions and the number of its models."""
        return list_providers()

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
