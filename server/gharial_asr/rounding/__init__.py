"""How float32 weights become int8 ones: docs/decisions/0155-rounding-that-makes-up-for-itself.md."""
