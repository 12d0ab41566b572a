"""What to do next, as a pure function of what is seen, what is wanted and the clock."""
