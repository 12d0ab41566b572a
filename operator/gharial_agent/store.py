"""What the agent knows of its cards beyond its own life: `state.json`, written before every side effect.

An intent says what is about to be done to a card. Whoever reads it after a crash reads the card first and then goes
on; every step may be repeated.
"""

import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

from gharial_agent.files import write_atomically

log = logging.getLogger(__name__)


class Step(StrEnum):
    """How far the way to a new bitstream has come."""

    WRITING = "Writing"
    WRITTEN = "Written"
    POWERING_OFF = "PoweringOff"
    POWERED_ON = "PoweredOn"
    FAILED = "Failed"


@dataclass(frozen=True)
class Intent:
    """The way of one card to one bitstream. time: seconds since 1970 at which the step was reached.

    reason and message tell why a FAILED one failed.
    """

    version: str
    sha256: str
    attempt: int
    step: Step
    time: float
    reason: str = ""
    message: str = ""

    @property
    def active(self) -> bool:
        """Whether the card is in our hands: no pod may be given it."""
        return self.step is not Step.FAILED


@dataclass(frozen=True)
class FlashResult:
    """The last flash that ended, for the status. time: seconds since 1970."""

    version: str
    attempt: int
    succeeded: bool
    time: float
    message: str = ""


@dataclass(frozen=True)
class CardRecord:
    """A card that was seen here, by the driver of that name.

    in_service: version that the card last served with, empty when it never did.
    """

    pci_address: str
    jtag_id: str
    in_service: str = ""
    intent: Intent | None = None
    last_flash: FlashResult | None = None
    driver: str = "simulated"


class Store:
    """The records of all cards of the node. Safe for threads; every change is on the disk on return."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._cards = read_records(path)

    def cards(self) -> Mapping[str, CardRecord]:
        """The records by unique id, as they are now."""
        with self._lock:
            return dict(self._cards)

    def get(self, unique_id: str) -> CardRecord | None:
        """One card's record."""
        with self._lock:
            return self._cards.get(unique_id)

    def seen(self, unique_id: str, pci_address: str, jtag_id: str, driver: str) -> None:
        """Remembers a card and where it sits; costs nothing when that is known."""
        with self._lock:
            known = self._cards.get(unique_id, CardRecord("", ""))
            now = replace(known, pci_address=pci_address, jtag_id=jtag_id, driver=driver)
            if now != known:
                self._put(unique_id, now)

    def intend(self, unique_id: str, intent: Intent) -> None:
        """Writes down what is about to happen, or that it failed."""
        with self._lock:
            record = replace(self._cards[unique_id], intent=intent)
            if intent.step is Step.FAILED:
                failed = FlashResult(intent.version, intent.attempt, False, intent.time, intent.message)
                record = replace(record, last_flash=failed)
            self._put(unique_id, record)

    def fail(self, unique_id: str, reason: str, message: str, now: float) -> None:
        """The attempt under way has failed; without one there is nothing to note."""
        record = self.get(unique_id)
        if record is not None and record.intent is not None and record.intent.active:
            failed = replace(record.intent, step=Step.FAILED, time=now, reason=reason, message=message)
            self.intend(unique_id, failed)

    def had_power(self, unique_id: str, now: float) -> None:
        """The card's machine was power-cycled; from now on the card is waited for."""
        record = self.get(unique_id)
        if record is not None and record.intent is not None:
            self.intend(unique_id, replace(record.intent, step=Step.POWERED_ON, time=now))

    def succeed(self, unique_id: str, now: float) -> None:
        """The card runs what was intended."""
        with self._lock:
            record = self._cards[unique_id]
            if record.intent is not None:
                done = FlashResult(record.intent.version, record.intent.attempt, True, now)
                self._put(unique_id, replace(record, intent=None, last_flash=done))

    def in_service(self, unique_id: str, version: str) -> None:
        """The card serves, or can serve, with this version."""
        with self._lock:
            self._put(unique_id, replace(self._cards[unique_id], in_service=version, intent=None))

    def _put(self, unique_id: str, record: CardRecord) -> None:
        self._cards[unique_id] = record
        fields = {"cards": {name: asdict(card) for name, card in self._cards.items()}}
        write_atomically(self._path, json.dumps(fields, indent=1).encode())


def read_records(path: Path) -> dict[str, CardRecord]:
    """The records in a state file; none when there is no file. Raises ValueError when it is not ours."""
    if not path.exists():
        return {}
    try:
        return {name: read_record(fields) for name, fields in json.loads(path.read_bytes())["cards"].items()}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is no state of this agent ({error}). Look whether a card was being flashed, then remove the file."
        ) from None


def read_record(fields: dict[str, object]) -> CardRecord:
    """One record from its JSON."""
    values = dict(fields)
    intent, last_flash = values.pop("intent"), values.pop("last_flash")
    values["jtag_id"] = str(values["jtag_id"])  # written as a number by earlier agents
    record = CardRecord(**values)  # type: ignore[arg-type]
    if isinstance(intent, dict):
        intent.pop("tool", None)  # earlier agents kept it
        intent["step"] = Step(intent["step"])
        record = replace(record, intent=Intent(**intent))
    if isinstance(last_flash, dict):
        record = replace(record, last_flash=FlashResult(**last_flash))
    return record
