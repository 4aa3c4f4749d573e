# Written by `make client` from _async/__init__.py: change that one.
"""The source of both clients; `make client` writes `_sync` from it."""
