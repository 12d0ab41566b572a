"""The arithmetic of a simulated card: a runner behind the card's Unix socket.

Any number of connections may ask what the card is (`Hello`); one at a time holds it (`Offer`), and losing that
connection frees all its slots. What the hardware says of itself (bitstream, licence, health) comes from `CardFacts`,
which is asked anew at every offer and every new stream, so a licence that ends stops new streams, not live ones.
"""

import contextlib
import logging
import socket
import threading
from pathlib import Path

import torch
from gharial_asr.artefact import read_artefact
from gharial_asr.building import build_runner
from gharial_asr.recognition import Recognition
from gharial_asr.runner import Runner
from gharial_wire.card_channel import CardChannel

from gharial_simcard.session import CardFacts, LoadRunner, Session

log = logging.getLogger(__name__)


def load_runner(path: Path, slots: int, recognition: Recognition) -> tuple[Runner, str]:
    """The artefact on one core of this machine: cards do not steal from each other. Raises ArtefactError, and
    ValueError when the settings do not fit it."""
    torch.set_num_threads(1)
    model = read_artefact(path)
    return build_runner(model, slots, recognition), model.needed_bitstream


class CardHost:
    """Listens on `socket_path` until `stop`; keeps artefacts in `cache`, one file each, named by digest."""

    def __init__(self, socket_path: Path, cache: Path, facts: CardFacts, load: LoadRunner = load_runner) -> None:
        self.facts = facts
        self.load = load
        self.cache = cache
        self.holder = threading.Lock()
        self._socket_path = socket_path
        self._channels: set[CardChannel] = set()
        self._guard = threading.Lock()
        self._listener: socket.socket | None = None

    def start(self) -> None:
        """The card is up: makes the socket and serves it from threads of its own."""
        self.cache.mkdir(parents=True, exist_ok=True)
        self._socket_path.parent.mkdir(parents=True, exist_ok=True)
        self._socket_path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self._socket_path))
        self._socket_path.chmod(0o666)
        listener.listen()
        self._listener = listener
        threading.Thread(target=self._accept, args=[listener], name="card-accept", daemon=True).start()

    def stop(self) -> None:
        """The card is gone: no socket, every connection cut. It can be started again."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self._socket_path.unlink(missing_ok=True)
        with self._guard:
            channels = list(self._channels)
        for channel in channels:
            channel.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connected, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[CardChannel(connected)], name="card", daemon=True).start()

    def _serve(self, channel: CardChannel) -> None:
        with self._guard:
            self._channels.add(channel)
        session = Session(self)
        try:
            session.serve(channel)
        except OSError as error:
            log.info("card %s: connection lost: %s", self.facts.card_id, error)
        finally:
            session.end()
            channel.close()
            with self._guard:
                self._channels.discard(channel)
