"""Beam search as kernels whose shapes never change; its rules are in docs/reference/decoding.md."""
