"""HTTP for workers: a deadline, an address guard, and errors that say what was sent."""
