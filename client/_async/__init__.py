"""The source of both clients; `make client` writes `_sync` from it."""
