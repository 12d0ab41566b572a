"""The control socket of the simulated hardware: JTAG, power and failures on demand (see gharial_wire.card_control)."""

import base64
import hashlib
import json
import socketserver
import threading
from collections.abc import Callable
from typing import Any

from gharial_wire.card_control import LONGEST_LINE, Fault, control_socket

from gharial_simcard.hardware import Hardware, SimulatedCard, describe
from gharial_simcard.memory import ALWAYS

Fields = dict[str, Any]


class ControlServer(socketserver.ThreadingUnixStreamServer):
    """Listens beside the sysfs tree; each connection has a thread of its own."""

    daemon_threads = True
    block_on_close = False  # a write that hangs on demand must not keep the process from ending

    def __init__(self, hardware: Hardware) -> None:
        path = control_socket(hardware.settings.root)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # left by a process that was killed
        super().__init__(str(path), Connection)
        path.chmod(0o600)
        self.hardware = hardware

    def serve(self) -> threading.Thread:
        """Serves in a thread until `shutdown`."""
        thread = threading.Thread(target=self.serve_forever, name="control", daemon=True)
        thread.start()
        return thread


class Connection(socketserver.StreamRequestHandler):
    """One connection. It holds at most one programming session, which ends with it."""

    server: ControlServer
    session: SimulatedCard | None = None

    def handle(self) -> None:
        """Answers one line after another."""
        try:
            while line := self.rfile.readline(LONGEST_LINE):
                self.wfile.write(json.dumps(self.answer(line)).encode() + b"\n")
        except (BrokenPipeError, ConnectionResetError):
            pass  # the other side was killed: what it wrote stays written
        finally:
            self.release()

    def answer(self, line: bytes) -> Fields:
        """The answer to one request; what cannot be done is answered with `error`."""
        requests: dict[str, Callable[[Fields], Fields]] = {
            "devices": self.devices,
            "begin": self.begin,
            "write": self.write,
            "end": self.end,
            "digest": self.digest,
            "power-cycle": self.power_cycle,
            "inject": self.inject,
            "state": self.state,
        }
        try:
            fields = json.loads(line)
            return requests[fields["request"]](fields)
        except (ValueError, TypeError) as error:
            return {"error": str(error)}
        except KeyError as error:
            return {"error": f"the request lacks {error}, or there is no such request"}

    def devices(self, fields: Fields) -> Fields:
        """The JTAG chain."""
        return {"devices": [{"jtagId": card.place.jtag_id} for card in self.server.hardware.cards]}

    def begin(self, fields: Fields) -> Fields:
        """Opens a programming session and erases the range to come."""
        card = self.server.hardware.by_jtag(fields["jtagId"])
        if self.session is not None or not card.programming.acquire(blocking=False):
            raise ValueError(f"device {card.place.jtag_id} is being programmed already")
        self.session = card
        self.server.hardware.erase(card, fields["offset"], fields["length"])
        return {}

    def write(self, fields: Fields) -> Fields:
        """Writes into the flash memory."""
        card = self.server.hardware.by_jtag(fields["jtagId"])
        if self.session is not card:
            raise ValueError("write without a programming session; send begin first")
        data = base64.b64decode(fields["data"], validate=True)
        self.server.hardware.write(card, fields["offset"], data)
        return {"written": len(data)}

    def end(self, fields: Fields) -> Fields:
        """Closes the session."""
        self.release()
        return {}

    def digest(self, fields: Fields) -> Fields:
        """Reads back."""
        card = self.server.hardware.by_jtag(fields["jtagId"])
        return {"sha256": hashlib.sha256(card.memory.read(fields["offset"], fields["length"])).hexdigest()}

    def power_cycle(self, fields: Fields) -> Fields:
        """Power off, power on."""
        self.server.hardware.power_cycle(self.server.hardware.by_id(fields["cardId"]))
        return {}

    def inject(self, fields: Fields) -> Fields:
        """A failure on demand."""
        times = ALWAYS if fields["times"] == "always" else int(fields["times"])
        self.server.hardware.inject(self.server.hardware.by_id(fields["cardId"]), Fault(fields["fault"]), times)
        return {}

    def state(self, fields: Fields) -> Fields:
        """All cards."""
        return {"cards": [describe(card) for card in self.server.hardware.cards]}

    def release(self) -> None:
        """Ends the connection's programming session, if it has one."""
        if self.session is not None:
            self.session.programming.release()
            self.session = None
