"""What every process needs first: settings, logs, the Celery app, the Redis connection."""
