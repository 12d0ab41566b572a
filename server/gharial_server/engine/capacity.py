"""How many streams this machine's processor carries: measured when the server starts.

A step of B streams takes about a + b B seconds. With every stream giving a frame per frame time, the engine keeps up
while a + b B is less than that; it answers soon while there is room to spare.

Who else uses the cores at that time counts: the mean over many steps, waiting included, is what this process gets of
them. The fastest step would only say what it could have alone.
"""

import time
from collections.abc import Callable

import numpy as np
from gharial_asr.runner import Batch, Runner

# Share of the frame time that a step with every stream in it may take.
LOAD = 0.6
# Batches that are timed; how many steps of each at least, and for how many seconds.
SMALL, LARGE = 4, 24
STEPS, SECONDS = 5, 0.4
# However small the model: sockets and answers cost time too.
MOST_STREAMS = 1024


def streams_within(seconds: float, small: tuple[int, float], large: tuple[int, float]) -> int:
    """The batch whose step takes so long, on the line through two measured (batch, seconds)."""
    slope = max((large[1] - small[1]) / (large[0] - small[0]), 1e-9)
    return min(max(1, int(large[0] + (seconds - large[1]) / slope + 1e-6)), MOST_STREAMS)


def measure_capacity(
    runner: Runner,
    frame_seconds: float,
    clock: Callable[[], float] = time.perf_counter,
    batches: tuple[int, int] = (SMALL, LARGE),
) -> int:
    """Streams that a runner carries in real time, by the time of two batches of it, the larger of which must fit into
    its slots. Leaves them closed."""
    small, large = batches
    noise = np.random.default_rng(0).standard_normal((large, runner.step_samples)).astype(np.float32) * 0.05
    for slot in range(large):
        runner.open(slot, 1)

    def mean(rows: int) -> tuple[int, float]:
        batch = Batch(np.arange(rows, dtype=np.int32), np.ones(rows, np.uint32), noise[:rows])
        runner.step(batch)  # The first one touches memory for the first time.
        steps, began = 0, clock()
        while steps < STEPS or clock() - began < SECONDS:
            runner.step(batch)
            steps += 1
        return rows, (clock() - began) / steps

    found = streams_within(LOAD * frame_seconds, mean(small), mean(large))
    for slot in range(large):
        runner.free(slot)
    return found
