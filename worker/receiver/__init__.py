"""The callback receiver, the only process that providers reach."""
