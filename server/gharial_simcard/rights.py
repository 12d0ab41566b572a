"""What a card lets run: its licence, its live bitstream and its capacity, asked anew for every stream."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from gharial_wire.card_protocol import CardError, Code
from gharial_wire.licence import Bitstream, Judgement, LicenceState, judge, version_key

from gharial_simcard.hardware import SimulatedCard

CODES = {
    LicenceState.MISSING: Code.LICENCE_MISSING,
    LicenceState.EXPIRED: Code.LICENCE_EXPIRED,
    LicenceState.VERSION_EXCEEDED: Code.LICENCE_VERSION_EXCEEDED,
    LicenceState.RELEASE_DATE_EXCEEDED: Code.LICENCE_VERSION_EXCEEDED,
    LicenceState.WRONG_CARD: Code.LICENCE_INVALID,
    LicenceState.BAD_SIGNATURE: Code.LICENCE_INVALID,
}


class CardRights:
    """Implements `CardFacts` for one simulated card. `folder` is the card's, where the agent puts the licence."""

    def __init__(
        self,
        card: SimulatedCard,
        folder: Path,
        key: Ed25519PublicKey | None,
        capacity: int,
        report: Callable[[SimulatedCard, int], None],
    ) -> None:
        self._card = card
        self._licence_file = folder / "licence.json"
        self._key = key
        self._capacity = capacity
        self._report = report
        self.awake = threading.Event()  # cleared while the card hangs
        self.awake.set()

    @property
    def card_id(self) -> str:
        """Unique id of the card."""
        return self._card.memory.unique_id

    @property
    def bitstream_version(self) -> str:
        """Version of the live bitstream."""
        return self._card.memory.version

    @property
    def licence_state(self) -> str:
        """The licence's state in one word."""
        return str(self.judgement().state)

    @property
    def capacity(self) -> int:
        """Streams that the card carries."""
        return self._capacity

    def judgement(self) -> Judgement:
        """What the card's licence means today for its live bitstream. Without a public key none can be believed."""
        released = self._card.memory.released
        if self._key is None or released is None:
            return Judgement(LicenceState.BAD_SIGNATURE if self._key is None else LicenceState.MISSING)
        document = self._licence_file.read_bytes() if self._licence_file.exists() else None
        bitstream = Bitstream(self._card.memory.version, released)
        return judge(document, self._key, self.card_id, bitstream, datetime.now(UTC).date())

    def admit(self, needed_bitstream: str) -> None:
        """Raises CardError when licence or bitstream do not allow it; waits while the card hangs."""
        self.awake.wait()
        state = self.judgement().state
        if not state.allows_running:
            raise CardError(CODES[state], f"card {self.card_id}: the licence's state is {state}; {self._remedy(state)}")
        live = self.bitstream_version
        if needed_bitstream and version_key(live) < version_key(needed_bitstream):
            message = f"card {self.card_id} runs {live}, the artefact needs {needed_bitstream}; flash a newer one"
            raise CardError(Code.BITSTREAM_TOO_OLD, message)

    def report_streams(self, active: int) -> None:
        """Shows the number of open slots in sysfs."""
        self._report(self._card, active)

    def _remedy(self, state: LicenceState) -> str:
        if self._key is None:
            return "the card was given no public key: start gharial simcard with --public-key"
        if state is LicenceState.MISSING:
            return "add the card's licence to a Secret of the pool"
        return "ask the issuer for a licence for this card and bitstream"
