"""Memory that this process does not use any more."""

import ctypes


def give_back_free_memory() -> None:
    """Returns to the system what the C library keeps for later: after a model was arranged, half of its size again.

    Does nothing where the C library has no malloc_trim.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
