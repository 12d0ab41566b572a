"""Generated stubs of the kubelet's gRPC services; `generate.sh` makes them anew."""
