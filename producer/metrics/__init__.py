"""`GET /metrics`: the whole queue for Prometheus."""
