"""A node whose cards are flashed as Achronix cards are: simulated hardware, reached by way of the vendor's tool."""

import hashlib
import json
import shlex
import sys
from pathlib import Path
from typing import Any

from card_node import RELEASED, VERSION, CardNode
from gharial_agent.cards.achronix.archive import BitstreamArchive, pack
from gharial_wire.bitstream import BODY_OFFSET, make_bitstream

READ_BACK = "proc gharial_verify {file offset device} { simcard::compare $file $offset $device }\n"


class AchronixNode(CardNode):
    """Its agent's state lies in a folder whose name no script would like."""

    def __post_init__(self) -> None:
        super().__post_init__()
        (self.root / "verify.tcl").write_text(READ_BACK)
        tool = [sys.executable, "-m", "gharial_simcard.ace", "--root", str(self.cards.root)]
        self.options = [
            "--ace", shlex.join(tool), "--ace-verify", str(self.root / "verify.tcl"),
            "--jtag-map", str(self.root / "jtag.json"), "--achronix-sysfs", str(self.cards.root / "hardware" / "sys"),
            "--state", str(self.folder),
        ]  # fmt: skip

    @property
    def folder(self) -> Path:
        return self.root / "state [exit 0] of {it"

    def map_devices(self) -> None:
        """Writes which device is which card."""
        devices = {card["cardId"]: f"SIMVP{card['jtagId']:07d}" for card in self.cards.state()}
        (self.root / "jtag.json").write_text(json.dumps(devices))

    def put_spec(self, **changes: Any) -> None:
        super().put_spec(**{"driver": "achronix", "powerCycle": "Machine", **changes})

    def bitstream(self, version: str = VERSION, sha256: str | None = None) -> dict[str, str]:
        image = make_bitstream(version, RELEASED)
        data = pack(BitstreamArchive(version, RELEASED, image[:BODY_OFFSET], image[BODY_OFFSET:]))
        path = self.root / f"{version}.tar"
        path.write_bytes(data)
        return {"version": version, "url": f"file://{path}", "sha256": sha256 or hashlib.sha256(data).hexdigest()}

    def power_cycle(self) -> None:
        """What a person or the operator does to the machine."""
        for card in self.ids():
            self.cards.call("power-cycle", cardId=card)

    def holds(self, card: int, version: str = VERSION) -> bool:
        """Whether the card's flash memory holds the bitstream, live or not."""
        image = make_bitstream(version, RELEASED)
        memory = self.cards.root / "hardware" / "state" / self.ids()[card] / "flash.bin"
        return memory.read_bytes()[: len(image)] == image

    def phases(self) -> list[str]:
        return [card["phase"] for card in self.status().get("cards", [])]
