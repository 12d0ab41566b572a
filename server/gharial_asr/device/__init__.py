"""The runner for accelerators: every step is one fixed sequence of kernels, so that a CUDA graph can hold it."""
