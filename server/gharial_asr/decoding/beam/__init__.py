"""Beam search, batched over streams and hypotheses. Its rules: docs/reference/decoding.md."""
