"""A card for tests: the facts that hardware would know, settable."""

from dataclasses import dataclass, field

from gharial_wire.card_protocol import CardError, Code


@dataclass
class TestCard:
    """Implements `gharial_simcard.session.CardFacts`."""

    __test__ = False

    card_id: str = "0123456789abcdef"
    bitstream_version: str = "1.14.0"
    licence_state: str = "Valid"
    capacity: int = 4
    refusal: CardError | None = None
    reported: list[int] = field(default_factory=list)

    def admit(self, needed_bitstream: str) -> None:
        """Refuses as told."""
        if self.refusal is not None:
            raise self.refusal
        if self.bitstream_version < needed_bitstream:
            raise CardError(Code.BITSTREAM_TOO_OLD, f"flash {needed_bitstream} or newer")

    def report_streams(self, active: int) -> None:
        """Remembers."""
        self.reported.append(active)
