"""For every test: torch computes on one thread, as beside the other work of a small machine."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
