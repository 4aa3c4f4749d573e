"""The clients of the HTTP API: one that blocks and one for asyncio, from the same source."""
