"""The demo: the whole way once, on real parts. The end-to-end tests stand on the same installation."""
