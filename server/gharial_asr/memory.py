"""Memory that this process does not use at the moment: given back, or kept for the next step."""

import ctypes

# Parameters of glibc's mallopt, and the most memory that steps take for what they compute, in bytes.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT, LARGEST_KEPT = 128 << 20, 32 << 20


def give_back_free_memory() -> None:
    """Returns to the system what the C library keeps for later: after a model was arranged, half of its size again.

    Does nothing where the C library has no malloc_trim.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def keep_memory_of_steps() -> None:
    """Lets the C library keep what a step frees for the next one.

    By default it gives memory at the end of its heap back to the system as soon as that is free, and asks for it again
    in the next step: hundreds of page faults, a third of the time of a step of a small model. Does nothing where the C
    library has no mallopt.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
        mallopt(M_TRIM_THRESHOLD, KEPT)
