"""Verbs of the recogniser."""
