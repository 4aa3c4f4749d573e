"""What Redis holds: jobs, wake-ups, callbacks, webhooks, keys and counters."""
