"""What the server shows to the network: the streaming endpoint and the operations endpoint."""
