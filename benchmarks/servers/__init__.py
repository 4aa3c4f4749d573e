"""Servers that a benchmark or a test starts, kills and starts again."""
