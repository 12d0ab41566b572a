"""Brings the arithmetic behind a card's socket up and down with the card."""

import threading
from collections.abc import Iterator
from pathlib import Path

from gharial_asr.emissions import Emissions
from gharial_asr.keywords import Keywords
from gharial_asr.recognition import Recognition
from gharial_asr.runner import Batch, Runner

from gharial_simcard.hardware import SimulatedCard
from gharial_simcard.host import CardHost, load_runner
from gharial_simcard.rights import CardRights


class HangingRunner:
    """A runner that computes nothing while its card hangs."""

    def __init__(self, runner: Runner, awake: threading.Event) -> None:
        self._runner = runner
        self._awake = awake

    @property
    def slots(self) -> int:
        """Streams at once."""
        return self._runner.slots

    @property
    def step_samples(self) -> int:
        """Samples of one stream in a step."""
        return self._runner.step_samples

    def preparing(self, keywords: Keywords) -> Iterator[None]:
        """Does what keywords need, in pieces."""
        return self._runner.preparing(keywords)

    def open(self, slot: int, generation: int, keywords: Keywords = ()) -> None:
        """Makes a slot as new."""
        self._runner.open(slot, generation, keywords)

    def free(self, slot: int) -> None:
        """Takes a slot from its stream."""
        self._runner.free(slot)

    def step(self, batch: Batch) -> Emissions:
        """One step, as soon as the card does not hang."""
        self._awake.wait()
        return self._runner.step(batch)

    def close(self) -> None:
        """Frees memory."""
        self._runner.close()


class CardCompute:
    """One card's host: up while the card is on the bus, deaf while it hangs, gone when the card is."""

    def __init__(self, rights: CardRights, folder: Path, cache: Path) -> None:
        self._rights = rights
        self._host = CardHost(folder / "card.sock", cache, rights, self._load)
        self._lock = threading.Lock()
        self._up = False

    def follow(self, card: SimulatedCard) -> None:
        """Brings the host to the card's state."""
        with self._lock:
            if card.memory.hung:
                self._rights.awake.clear()
            else:
                self._rights.awake.set()
            if card.memory.on_bus and not self._up:
                self._host.start()
            elif self._up and not card.memory.on_bus:
                self._host.stop()
            self._up = card.memory.on_bus

    def stop(self) -> None:
        """Ends the host."""
        self._rights.awake.set()
        with self._lock:
            if self._up:
                self._host.stop()
            self._up = False

    def _load(self, path: Path, slots: int, recognition: Recognition) -> tuple[Runner, str]:
        runner, needed = load_runner(path, slots, recognition)
        return HangingRunner(runner, self._rights.awake), needed
