"""The ways in: the Python client, the HTTP API, the command line and the dashboard."""
