"""Roles: what a key or a login may do, under one name."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Rights(NamedTuple):
    """The same as the fields of a key."""

    is_admin: bool
    is_read_only: bool


class Role(StrEnum):
    """A plain name for the rights of a caller."""

    VIEWER = "viewer"
    """Reads the jobs of every caller, and changes nothing."""
    SUBMITTER = "submitter"
    """Reads and changes its own jobs."""
    ADMIN = "admin"
    """Reads and changes the jobs of every caller, and pauses."""

    @property
    def rights(self) -> Rights:
        """The rights that this is a name of."""
        return Rights(self is not Role.SUBMITTER, self is Role.VIEWER)


def find_role(*, is_admin: bool, is_read_only: bool) -> Role:
    """Return the role with these rights; a viewer that is no admin reads only its own jobs."""
    if is_read_only:
        return Role.VIEWER
    return Role.ADMIN if is_admin else Role.SUBMITTER
