"""Which stream holds which slot."""

from dataclasses import dataclass

from gharial_server.engine.interface import EngineFullError

# Generations travel as 32 bits.
LAST_GENERATION = 2**32 - 1


@dataclass(frozen=True)
class Slot:
    """A place in the runner. The generation differs from that of every stream that held the place before."""

    index: int
    generation: int


class SlotTable:
    """Gives slots out and takes them back. The lowest free one goes first, so a quiet engine keeps to few of them."""

    def __init__(self, slots: int) -> None:
        self._free = set(range(slots))
        self._generations = [0] * slots

    def take(self) -> Slot:
        """A free slot with a generation of its own. Raises EngineFullError."""
        if not self._free:
            raise EngineFullError(f"all {len(self._generations)} streams are taken; try again when one has ended")
        index = min(self._free)
        self._free.remove(index)
        self._generations[index] = self._generations[index] % LAST_GENERATION + 1
        return Slot(index, self._generations[index])

    def give_back(self, slot: Slot) -> None:
        """Frees a slot."""
        self._free.add(slot.index)
