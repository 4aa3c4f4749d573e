"""How work comes in: the Python client, the HTTP API and the command line."""
