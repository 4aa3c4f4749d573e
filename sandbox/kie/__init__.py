"""kie.ai, simulated."""
