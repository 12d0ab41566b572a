"""Several recordings through one runner, side by side."""

from collections.abc import Iterator

import numpy as np
from gharial_asr.emissions import Row
from gharial_asr.runner import Batch, Runner
from numpy.typing import NDArray


def rows_of(runner: Runner, recordings: dict[int, NDArray[np.float32]]) -> Iterator[tuple[int, Row]]:
    """Streams recordings by slot, all in one batch per step for as long as each lasts; what every step gives a slot."""
    size = runner.step_samples
    for slot in recordings:
        runner.open(slot, generation=slot + 1)
    for frame in range(max(len(x) for x in recordings.values()) // size):
        going = [slot for slot, x in recordings.items() if len(x) >= (frame + 1) * size]
        samples = np.stack([recordings[slot][frame * size : (frame + 1) * size] for slot in going])
        slots = np.array(going, np.int32)
        emitted = runner.step(Batch(slots, (slots + 1).astype(np.uint32), samples))
        yield from zip(going, emitted.rows(), strict=True)
