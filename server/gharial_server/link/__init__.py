"""The way between the front end's process and the engine's: a Unix socket with batches of messages."""
