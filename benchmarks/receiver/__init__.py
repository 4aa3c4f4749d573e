"""The callback receiver: requests a second, latency under load, and the way to an image."""
