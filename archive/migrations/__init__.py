"""Alembic's migrations of the archive, run by `migrate` in a transaction of its own."""
