"""Formats that cross a wire: the stream protocol, the card protocol, licences. No sockets, no torch."""
