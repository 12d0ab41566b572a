"""One server's connection to a simulated card: requests in, answers out."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Protocol

import numpy as np
from gharial_asr.artefact import ArtefactError
from gharial_asr.emissions import Runs
from gharial_asr.keywords import from_bytes
from gharial_asr.recognition import Recognition
from gharial_asr.runner import Batch, Runner
from gharial_asr.state import StaleSlotError
from gharial_wire.card_channel import CardChannel
from gharial_wire.card_protocol import (
    HIGHEST_VERSION,
    LOWEST_VERSION,
    UPLOAD_BYTES,
    CardError,
    Code,
    Done,
    Emissions,
    Free,
    Hello,
    Loaded,
    MalformedMessageError,
    Message,
    Offer,
    Open,
    Refusal,
    Step,
    Upload,
    Wanted,
    Welcome,
)

MOST_ARTEFACT_BYTES = 2 << 30
# A server that restarts may come back before its former connection's end was noticed.
HANDOVER_SECONDS = 1.0


class CardFacts(Protocol):
    """What the hardware side knows. Called from the connections' threads."""

    @property
    def card_id(self) -> str:
        """Unique id of the card."""

    @property
    def bitstream_version(self) -> str:
        """Version of the live bitstream."""

    @property
    def licence_state(self) -> str:
        """One word for `Welcome`."""

    @property
    def capacity(self) -> int:
        """Streams that the card carries."""

    def admit(self, needed_bitstream: str) -> None:
        """Raises CardError when licence or bitstream do not allow an artefact that needs this bitstream version."""

    def report_streams(self, active: int) -> None:
        """The number of open slots has changed."""


LoadRunner = Callable[[Path, int, Recognition], tuple[Runner, str]]
"""From an artefact's file, a number of slots and how streams are decoded, to
a runner and the bitstream version that the artefact needs."""


class Card(Protocol):
    """What the connections of one card share. Whoever has `holder` computes; artefacts lie in `cache`."""

    facts: CardFacts
    load: LoadRunner
    cache: Path
    holder: Lock


class Session:
    """One connection to a card."""

    def __init__(self, host: Card) -> None:
        self._host = host
        self._runner: Runner | None = None
        self._needed_bitstream = ""
        self._holds = False
        self._offer: Offer | None = None
        self._open: set[int] = set()

    def serve(self, channel: CardChannel) -> None:
        """Answers requests until the other end closes or sends what is no message."""
        greeted = False
        while True:
            try:
                request = channel.receive()
                if request is None:
                    return
                if not greeted and not isinstance(request, Hello):
                    raise MalformedMessageError("the first message must be Hello")
                greeted = True
                answer = self._answer(request)
            except MalformedMessageError as error:
                channel.send(Refusal(Code.MALFORMED, str(error)))
                return
            except CardError as error:
                answer = Refusal(error.code, error.explanation)
            channel.send(answer)
            if isinstance(answer, Refusal) and answer.code == Code.VERSION_UNSUPPORTED:
                return

    def end(self) -> None:
        """Gives the card back."""
        if self._runner is not None:
            self._runner.close()
            self._runner = None
        if self._holds:
            self._host.facts.report_streams(0)
            self._host.holder.release()
            self._holds = False

    def _answer(self, request: Message) -> Message:
        match request:
            case Hello():
                return self._welcome(request)
            case Offer():
                return self._take(request)
            case Upload():
                return self._store(request)
            case Open():
                return self._open_slot(request)
            case Free():
                return self._free_slot(request)
            case Step():
                return self._step(request)
        raise MalformedMessageError(f"{type(request).__name__} is no request")

    def _welcome(self, hello: Hello) -> Welcome:
        if hello.lowest > HIGHEST_VERSION or hello.highest < LOWEST_VERSION:
            raise CardError(
                Code.VERSION_UNSUPPORTED,
                f"the card speaks versions {LOWEST_VERSION} to {HIGHEST_VERSION} of the protocol, "
                f"the server {hello.lowest} to {hello.highest}; use releases that fit together",
            )
        facts = self._host.facts
        version = min(hello.highest, HIGHEST_VERSION)
        return Welcome(version, facts.card_id, facts.bitstream_version, facts.licence_state, facts.capacity)

    def _take(self, offer: Offer) -> Message:
        if len(offer.digest) != 64 or not all(c in "0123456789abcdef" for c in offer.digest):
            raise MalformedMessageError("a digest is 64 hexadecimal digits")
        if offer.size > MOST_ARTEFACT_BYTES:
            raise CardError(Code.ARTEFACT_BAD, f"{offer.size} bytes are more than a card holds")
        if not self._holds:
            if not self._host.holder.acquire(timeout=HANDOVER_SECONDS):
                raise CardError(Code.BUSY, "another server holds this card; a claim takes a whole card")
            self._holds = True
        path = self._host.cache / f"{offer.digest}.gharial"
        if not path.exists():
            self._offer = offer
            self._upload_file.unlink(missing_ok=True)
            return Wanted()
        return self._load(path, offer)

    @property
    def _upload_file(self) -> Path:
        return self._host.cache / "upload.part"

    def _store(self, upload: Upload) -> Done:
        """Appends a piece; when all are there the file must have the digest that was offered."""
        offer, path = self._offer, self._upload_file
        if offer is None:
            raise CardError(Code.NOT_LOADED, "nothing was offered; send Offer first")
        if len(upload.data) > UPLOAD_BYTES:
            raise MalformedMessageError(f"a piece of {len(upload.data)} bytes; at most {UPLOAD_BYTES} are allowed")
        with path.open("ab") as file:
            file.write(upload.data)
            size = file.tell()
        if size < offer.size:
            return Done()
        self._offer = None
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if size > offer.size or digest != offer.digest:
            path.unlink()
            raise CardError(Code.ARTEFACT_BAD, f"the bytes that came have sha256 {digest}, not {offer.digest}")
        path.rename(self._host.cache / f"{digest}.gharial")
        return Done()

    def _load(self, path: Path, offer: Offer) -> Loaded:
        capacity = self._host.facts.capacity
        if offer.slots > capacity:
            raise CardError(
                Code.FULL, f"{offer.slots} streams are wanted, the card carries {capacity}; lower --capacity"
            )
        try:
            recognition = Recognition.from_json(offer.recognition)
            runner, needed = self._host.load(path, offer.slots or capacity, recognition)
        except ArtefactError as error:
            path.unlink(missing_ok=True)
            raise CardError(Code.ARTEFACT_BAD, str(error)) from error
        except ValueError as error:
            raise CardError(Code.FAILED, str(error)) from error
        self._host.facts.admit(needed)
        self._runner, self._needed_bitstream = runner, needed
        self._open.clear()
        return Loaded(runner.slots, runner.step_samples)

    def _held(self) -> Runner:
        if self._runner is None:
            raise CardError(Code.NOT_LOADED, "no artefact is loaded; send Offer first")
        return self._runner

    def _open_slot(self, request: Open) -> Done:
        runner = self._held()
        if request.slot >= runner.slots:
            raise CardError(Code.FULL, f"slot {request.slot} of {runner.slots}")
        if request.generation == 0:
            raise MalformedMessageError("a generation is not 0")
        self._host.facts.admit(self._needed_bitstream)
        try:
            runner.open(request.slot, request.generation, from_bytes(request.keywords))
        except ValueError as error:
            raise CardError(Code.FAILED, str(error)) from error
        self._open.add(request.slot)
        self._host.facts.report_streams(len(self._open))
        return Done()

    def _free_slot(self, request: Free) -> Done:
        runner = self._held()
        if request.slot in self._open:
            runner.free(request.slot)
            self._open.discard(request.slot)
            self._host.facts.report_streams(len(self._open))
        return Done()

    def _step(self, request: Step) -> Emissions:
        runner = self._held()
        slots, generations = np.frombuffer(request.slots, "<i4"), np.frombuffer(request.generations, "<u4")
        samples = np.frombuffer(request.samples, "<f4")
        if not len(slots) == len(generations) == len(samples) / runner.step_samples or not len(slots):
            raise MalformedMessageError(
                f"{len(slots)} slots, {len(generations)} generations and {len(samples)} samples do not make a step"
            )
        if not np.isfinite(samples).all():
            raise MalformedMessageError("a sample is not a number")
        try:
            batch = Batch(slots, generations, samples.reshape(len(slots), -1).copy())
            emitted = runner.step(batch)
        except StaleSlotError as error:
            raise CardError(Code.STALE_SLOT, str(error)) from error
        return Emissions(
            *_words(emitted.settled),
            emitted.widths.astype("<i4").tobytes(),
            emitted.scores.astype("<f4").tobytes(),
            *_words(emitted.continuations),
        )


def _words(runs: Runs) -> tuple[bytes, bytes, bytes, bytes]:
    """Counts, tokens, frames and probabilities as they travel."""
    return (
        runs.counts.astype("<i4").tobytes(),
        runs.tokens.astype("<i4").tobytes(),
        runs.frames.astype("<i4").tobytes(),
        runs.probabilities.astype("<f4").tobytes(),
    )
