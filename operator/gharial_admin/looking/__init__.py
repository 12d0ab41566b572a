"""Looks at a cluster: what is read, with whose rights, and what could not be seen."""
