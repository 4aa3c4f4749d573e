"""Who submits: API keys, their limits, and requests that come again."""
