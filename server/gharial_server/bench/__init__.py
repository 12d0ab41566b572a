"""Measurements of the engine at real-time pace."""
