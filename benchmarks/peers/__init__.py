"""The same paid job through imagequeue and through four other queues."""
