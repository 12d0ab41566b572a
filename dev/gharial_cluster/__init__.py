"""A real two-node Kubernetes in a box, for the demo and the tests."""
