"""AceData Cloud."""
