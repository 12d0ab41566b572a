"""The engine: many live streams share one batch of arithmetic."""
