"""Builds manifests: pure functions from specs to objects, one file per kind."""
