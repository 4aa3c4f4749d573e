"""The fault of each alert, caused on a running system, and mended as the runbook says."""
