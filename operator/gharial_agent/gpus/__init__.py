"""NVIDIA GPUs of a node: read by NVML and reported. NVIDIA's own driver publishes and hands them out."""
