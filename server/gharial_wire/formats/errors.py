"""What is wrong with audio that does not decode."""


class FormatError(ValueError):
    """The audio is not what it was said to be; the message is short enough for a Close frame's reason."""
