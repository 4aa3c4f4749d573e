"""Prometheus metrics of the whole queue, at `GET /metrics`."""
