"""What runs together: what processes share, which of them run, and how far Redis is."""
