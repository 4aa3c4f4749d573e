"""Every provider by its name: the built-in ones first, then those of plug-ins."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from functools import cached_property

from .base import Provider
from .plugins import load_plugins


class Registry(MutableMapping[str, Provider]):
    """Plug-ins are imported at the first look-up: not before, because they import this package."""

    def __init__(self, built_in: Sequence[Provider]) -> None:
        self.built_in = built_in

    @cached_property
    def _plugins(self) -> tuple[list[Provider], list[str]]:
        return load_plugins(self.built_in)

    @cached_property
    def _providers(self) -> dict[str, Provider]:
        return {provider.name: provider for provider in (*self.built_in, *self._plugins[0])}

    @property
    def problems(self) -> Sequence[str]:
        """A line for each plug-in that cannot be used."""
        return self._plugins[1]

    def __getitem__(self, name: str) -> Provider:
        return self._providers[name]

    def __setitem__(self, name: str, provider: Provider) -> None:
        self._providers[name] = provider

    def __delitem__(self, name: str) -> None:
        del self._providers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._providers)

    def __len__(self) -> int:
        return len(self._providers)
