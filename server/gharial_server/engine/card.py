"""The arithmetic on a card: a runner whose calls are messages on the card's Unix socket."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from gharial_asr.artefact import file_digest, looks_like_artefact
from gharial_asr.emissions import Emissions, Runs
from gharial_asr.keywords import Keywords, to_bytes
from gharial_asr.recognition import PLAIN, Recognition
from gharial_asr.runner import Batch
from gharial_wire import card_protocol as wire
from gharial_wire.card_channel import CardChannel

# The card is lost when it leaves a request unanswered for so long. Loading an artefact takes longer than a step.
ANSWER_SECONDS = 20.0
LOADING_SECONDS = 120.0


class CardRunner:
    """Implements `Runner` on a card. Raises CardError for refusals, OSError when the card is lost."""

    def __init__(self, socket_path: Path, artefact: Path, slots: int | None, recognition: Recognition = PLAIN) -> None:
        """Takes the card, sends it the artefact if it does not have it. slots None: as many as the card carries."""
        if not looks_like_artefact(artefact):
            raise ValueError(
                f"{artefact} is no compiled artefact; a card needs one: gharial compile {artefact} -o FILE"
            )
        self.digest = file_digest(artefact)
        self._channel = CardChannel.connect(socket_path, LOADING_SECONDS)
        try:
            self.card = self._channel.hello("gharial serve")
            loaded = self._load(artefact, slots or 0, recognition)
        except (OSError, wire.CardError):
            self._channel.close()
            raise
        self._channel.set_timeout(ANSWER_SECONDS)
        self._slots, self._step_samples = loaded.slots, loaded.step_samples

    @property
    def slots(self) -> int:
        return self._slots

    @property
    def step_samples(self) -> int:
        return self._step_samples

    def preparing(self, keywords: Keywords) -> Iterator[None]:
        """The card does all of it itself."""
        return iter(())

    def open(self, slot: int, generation: int, keywords: Keywords = ()) -> None:
        self._channel.ask(wire.Open(slot, generation, to_bytes(keywords)), wire.Done)

    def free(self, slot: int) -> None:
        self._channel.ask(wire.Free(slot), wire.Done)

    def step(self, batch: Batch) -> Emissions:
        request = wire.Step(
            batch.slots.astype("<i4").tobytes(),
            batch.generations.astype("<u4").tobytes(),
            batch.samples.astype("<f4").tobytes(),
        )
        emitted = self._channel.ask(request, wire.Emissions)
        return Emissions(
            _runs(emitted.counts, emitted.tokens, emitted.frames, emitted.probabilities),
            np.frombuffer(emitted.widths, "<i4"),
            np.frombuffer(emitted.scores, "<f4"),
            _runs(emitted.open_counts, emitted.open_tokens, emitted.open_frames, emitted.open_probabilities),
        )

    def close(self) -> None:
        self._channel.close()

    def _load(self, artefact: Path, slots: int, recognition: Recognition) -> wire.Loaded:
        offer = wire.Offer(self.digest, artefact.stat().st_size, slots, recognition.to_json())
        answer: wire.Message = self._channel.ask(offer, wire.Loaded, wire.Wanted)
        if isinstance(answer, wire.Loaded):
            return answer
        with artefact.open("rb") as file:
            while piece := file.read(wire.UPLOAD_BYTES):
                self._channel.ask(wire.Upload(piece), wire.Done)
        return self._channel.ask(offer, wire.Loaded)


def _runs(counts: bytes, tokens: bytes, frames: bytes, probabilities: bytes) -> Runs:
    return Runs(
        np.frombuffer(counts, "<i4"),
        np.frombuffer(tokens, "<i4"),
        np.frombuffer(frames, "<i4"),
        np.frombuffer(probabilities, "<f4"),
    )
