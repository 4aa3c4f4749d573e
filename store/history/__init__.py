"""Jobs in Redis and in the archive as one, and how they move between the two."""
