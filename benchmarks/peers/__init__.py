"""The same paid job through imagequeue and through the queues that one might take instead."""
