"""Requests to the API server, for whoever works with threads: the agent, and the tools of an admin."""
