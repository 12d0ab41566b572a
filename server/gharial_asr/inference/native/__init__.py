"""The int8 kernel: C behind ctypes. docs/decisions/0010-int8-kernel.md says why it is there and how it works."""
