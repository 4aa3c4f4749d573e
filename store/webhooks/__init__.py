"""Webhooks: whose they are, those that were not delivered yet, and their deliveries."""
