"""Kernel sequences as CUDA graphs."""

from collections.abc import Callable

import torch

# Runs before a capture: kernels are chosen, plans made and workspaces allocated, which a capture must not see.
WARM_UPS = 2


class Graphs:
    """Captures kernel sequences that share one pool of memory.

    They never run at once, and leave nothing in the pool: what lasts lies in buffers from outside. So they may be
    launched in any order.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool = torch.cuda.graph_pool_handle()

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """Runs the work a few times and records it once. Returns what launches the record."""
        aside = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                work()
        torch.cuda.current_stream(self._device).wait_stream(aside)
        torch.cuda.synchronize(self._device)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            work()
        return graph.replay
