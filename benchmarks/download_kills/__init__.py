"""Workers are killed while they download: no image may be lost, or incomplete at a final name."""
