"""Which pods' claims hold which cards on this node, kept in the CDI files themselves.

One CDI file per claim tells the container runtime what a container gets. The same files are the agent's only memory
of what is prepared, so that nothing can contradict them. Names follow from the claim's uid alone: preparing again
after a restart of the kubelet, the agent or the node gives the same answer.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gharial_agent.cards.protocol import CardError, JsonObject
from gharial_agent.files import write_atomically

CDI_VERSION = "0.5.0"
CDI_KIND = "asr.gharial.dev/card"
FILE_PREFIX = "cards.asr.gharial.dev-"


class CardUnavailableError(RuntimeError):
    """The card cannot be given to a claim now; the kubelet asks again."""


@dataclass(frozen=True)
class PreparedClaim:
    """A claim that holds a card here."""

    uid: str
    card_id: str

    @property
    def cdi_id(self) -> str:
        """The CDI device's qualified name."""
        return f"{CDI_KIND}={self.card_id}-{self.uid}"


class ClaimBook:
    """Prepares and unprepares claims. Safe for threads: the kubelet asks concurrently for different pods."""

    def __init__(
        self, folder: Path, container_edits: Callable[[str], JsonObject], is_busy: Callable[[str], bool]
    ) -> None:
        """`container_edits(card)`: what CDI gives a container with the card; CardError where that is not known now.

        `is_busy(card)` says that the card is being flashed: no claim gets it then.
        """
        self._folder = folder
        self._container_edits = container_edits
        self._is_busy = is_busy
        self._lock = threading.Lock()

    def prepare(self, uid: str, card_id: str) -> PreparedClaim:
        """Writes the claim's CDI file, also when it was there. Raises CardUnavailableError."""
        claim = PreparedClaim(uid, card_id)
        with self._lock:
            if self._is_busy(card_id):
                raise CardUnavailableError(f"card {card_id} is being flashed; the pod gets it afterwards")
            others = [held.uid for held in self._read_all() if held.card_id == card_id and held.uid != uid]
            if others:
                raise CardUnavailableError(f"card {card_id} is still held by claim {others[0]}")
            write_atomically(self._path(uid), json.dumps(self._document(claim), indent=1).encode(), mode=0o644)
        return claim

    def unprepare(self, uid: str) -> None:
        """Removes the claim's CDI file; one that is not there is as well."""
        with self._lock:
            self._path(uid).unlink(missing_ok=True)

    def claimed_cards(self) -> frozenset[str]:
        """Unique ids of the cards that claims hold."""
        with self._lock:
            return frozenset(claim.card_id for claim in self._read_all())

    def close_card(self, card_id: str, note: Callable[[], None]) -> bool:
        """Calls `note`, which makes the card busy, unless a claim holds it; whether it was called."""
        with self._lock:
            if any(claim.card_id == card_id for claim in self._read_all()):
                return False
            note()
            return True

    def _path(self, uid: str) -> Path:
        return self._folder / f"{FILE_PREFIX}{uid}.json"

    def _document(self, claim: PreparedClaim) -> dict[str, object]:
        try:
            edits = self._container_edits(claim.card_id)
        except CardError as error:
            raise CardUnavailableError(str(error)) from None
        name = claim.cdi_id.partition("=")[2]
        return {"cdiVersion": CDI_VERSION, "kind": CDI_KIND, "devices": [{"name": name, "containerEdits": edits}]}

    def _read_all(self) -> list[PreparedClaim]:
        claims = []
        for path in sorted(self._folder.glob(f"{FILE_PREFIX}*.json")):
            try:
                name = json.loads(path.read_bytes())["devices"][0]["name"]
            except (OSError, ValueError, LookupError, TypeError):
                continue  # not written by us: we write whole files only
            card_id, _, uid = str(name).partition("-")
            claims.append(PreparedClaim(uid, card_id))
        return claims
