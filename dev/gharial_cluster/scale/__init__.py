"""What the operator costs in a large cluster: a real API server, nodes by kwok, the real operator."""
