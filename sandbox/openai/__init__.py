"""A server that speaks OpenAI's images API, simulated."""
