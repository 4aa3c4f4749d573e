"""All that is set from outside: settings, the Celery app, Flower, logging, Redis."""
