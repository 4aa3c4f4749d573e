"""How work is done: submit, poll, callback, download, notify, and the sweep that wakes jobs."""
