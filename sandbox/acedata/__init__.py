"""AceData Cloud, simulated."""
