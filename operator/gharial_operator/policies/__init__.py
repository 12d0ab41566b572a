"""Decides: pure functions from facts to wanted specs, conditions and permissions. No I/O, no clock of their own."""
