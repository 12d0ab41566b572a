"""`kubectl gharial`: pools, cards and rollouts at a glance, and the four ways to step in."""
