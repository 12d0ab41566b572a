"""Gather -> decide -> apply, once for each kind. Every step may be the process' last: the next start looks again."""
