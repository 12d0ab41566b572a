"""The audio formats of a stream: what a client may name, and the decoders that make 16 kHz mono of it."""
