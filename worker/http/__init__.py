"""HTTP for workers: a total deadline, an address guard, and errors that say what was sent."""
