"""OpenAI's images API, which many gateways speak too."""
