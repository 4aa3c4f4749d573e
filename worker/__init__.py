"""How work is done: submit, poll, callback, settle, download, and the sweep that wakes jobs."""
