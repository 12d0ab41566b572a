"""Clients of the streaming API."""
