"""Simulated cards: hardware that a node without any can be given, faithful in what an operator has to deal with."""
