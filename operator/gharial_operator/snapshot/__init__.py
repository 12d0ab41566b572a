"""Gathers what is: reads the cluster and returns plain facts, decides nothing."""
