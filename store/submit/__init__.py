"""Queued jobs: their order, the limits within which they are sent, and what holds them up."""
