"""imagequeue: a self-hosted job queue for paid image-generation APIs."""
