"""A thousand agents in one process: each node's status as its agent would write it, by the agent's own code.

Cards are plain values here. What is not the agents' own is the one watch that all of them share.
"""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime

from gharial_agent.cards.protocol import Card
from gharial_agent.decide.facts import CardFacts, Image, Limits, NodeFacts
from gharial_agent.decide.node import decide
from gharial_agent.mirror import Mirror
from gharial_agent.observe import desired
from gharial_agent.status import node_status
from gharial_agent.status_writer import NODES_PATH, StatusWriter
from gharial_agent.store import CardRecord
from gharial_api import AsrCardNode
from gharial_kube.client import Kube
from gharial_wire.licence import Bitstream, Judgement, LicenceState

from gharial_cluster.scale.manifests import VERSION

_WRITERS = 4
_STREAMS = 16


class Agents:
    """Reports every AsrCardNode that is not reported at its generation, from `start` to `stop`."""

    def __init__(self, kube: Kube, cards: int) -> None:
        self._cards = cards
        self._changed = threading.Event()
        self.mirror = Mirror(kube, NODES_PATH, self._changed.set)
        self._kube = kube
        self._facts: dict[str, NodeFacts] = {}
        self._reported: dict[str, int] = {}
        self._pool = ThreadPoolExecutor(_WRITERS, "agents")
        self._writes: list[Future[None]] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="agents", daemon=True)

    def start(self) -> None:
        """Begins to report."""
        self.mirror.start()
        self._thread.start()

    def stop(self) -> None:
        """Ends; raises what went wrong with a report."""
        self._stopped.set()
        self._changed.set()
        self.mirror.stop()
        self._thread.join()
        self._pool.shutdown()
        for write in self._writes:
            write.result()

    def turn(self, node: str, number: int, trouble: str) -> float:
        """A card falls ill, or recovers without a trouble; returns the monotonic time just before the report."""
        facts = self._of(node)
        sick = facts.cards[number]
        assert sick.card is not None
        turned = replace(sick, card=replace(sick.card, health_message=trouble))
        cards = (*facts.cards[:number], turned, *facts.cards[number + 1 :])
        self._facts[node] = replace(facts, cards=cards)
        before = time.monotonic()
        self._report(node)
        return before

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._changed.wait()
            self._changed.clear()
            for name, live in self.mirror.objects().items():
                generation = live["metadata"]["generation"]
                if self._reported.get(name) != generation:
                    self._reported[name] = generation
                    self._writes.append(self._pool.submit(self._report, name))

    def _report(self, name: str) -> None:
        live = self.mirror.objects().get(name)
        if live is None:
            return
        node, facts = AsrCardNode.model_validate(live), self._of(name)
        verdicts = decide(facts, desired(node.spec), time.time(), Limits()).verdicts
        status = node_status(node, facts, verdicts, datetime.now(UTC))
        StatusWriter(self._kube, self.mirror, name).write(status, live, time.time())

    def _of(self, name: str) -> NodeFacts:
        if name not in self._facts:
            released = date(2026, 1, 1)
            cards = tuple(_card(name, number, Bitstream(VERSION, released)) for number in range(self._cards))
            self._facts[name] = NodeFacts(cards, Image(release_date=released))
        return self._facts[name]


def address(number: int) -> str:
    """Where the card with a number sits."""
    return f"0000:{16 + number:02x}:00.0"


def _card(node: str, number: int, bitstream: Bitstream) -> CardFacts:
    unique_id = f"{int(node.rpartition('-')[2]):014x}{number:02x}"
    jtag_id = str(number)
    record = CardRecord(address(number), jtag_id, in_service=bitstream.version)
    card = Card(unique_id, address(number), jtag_id, bitstream, "", _STREAMS, 0)
    licence = Judgement(LicenceState.VALID)
    return CardFacts(unique_id, record, card, False, licence, "", licence)
