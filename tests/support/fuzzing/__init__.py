"""Fuzzing of what clients may send: `make fuzz`, or `python -m fuzzing` with tests/support on the path."""
