"""The network as the engine runs it: fused int8 or float32 kernels and the state of many streams."""
