"""The way into the simulated hardware: lines of JSON over the Unix socket `<root>/hardware/control.sock`.

It stands for what real hardware offers by JTAG cable and power switch. One request, one answer, as often as wanted over
one connection; an answer is an object, and holds `error` when the request was refused. A programming session
(`begin`, `write`…, `end`) belongs to its connection and ends with it. Standard library only.

    devices                                    -> devices: [{jtagId}]
    begin   jtagId, offset, length             erases that range and opens a session
    write   jtagId, offset, data (base64)      writes into it
    end     jtagId
    digest  jtagId, offset, length             -> sha256 of what the flash memory holds
    power-cycle  cardId                        answers when the power is off; the card then boots; refused by cards
                                               that have no switch of their own
    inject  cardId, fault, times               makes the card fail on demand (see `Fault`)
    state                                      -> cards: [{…}]
"""

import json
import socket
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any

# No request carries more than one page; a longer line is a mistake.
LONGEST_LINE = 1 << 20


class Fault(StrEnum):
    """Ways in which a simulated card fails on demand."""

    FLASH_FAILS = "flash-fails"
    FLASH_HANGS = "flash-hangs"
    FLASH_CORRUPTS = "flash-corrupts"
    BOOT_FAILS = "boot-fails"
    VANISH = "vanish"
    HANG = "hang"


class ControlRefusedError(RuntimeError):
    """The simulated hardware refused a request; the message says why."""


def control_socket(root: Path) -> Path:
    """Where the control socket lies under the root of the simulated hardware."""
    return root / "hardware" / "control.sock"


class ControlClient:
    """A connection to the simulated hardware. Raises OSError when nobody listens."""

    def __init__(self, root: Path, timeout_seconds: float | None = None) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_seconds)
        try:
            self._socket.connect(str(control_socket(root)))
        except OSError as error:
            self._socket.close()
            raise OSError(
                f"no simulated card answers at {control_socket(root)} ({error}); is `gharial simcard` running?"
            ) from error
        self._lines = self._socket.makefile("rb")

    def __enter__(self) -> "ControlClient":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._lines.close()
        self._socket.close()

    def call(self, request: str, **fields: Any) -> dict[str, Any]:
        """Sends one request and returns the answer. Raises ControlRefusedError when it was refused."""
        self._socket.sendall(json.dumps({"request": request, **fields}).encode() + b"\n")
        line = self._lines.readline(LONGEST_LINE)
        if not line:
            raise ControlRefusedError("the simulated hardware closed the connection")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ControlRefusedError(str(answer["error"]))
        return answer
