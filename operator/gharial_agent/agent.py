"""The agent's loop: look, decide, publish, do. Each round starts from what is, never from what happened."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from gharial_api import names
from gharial_api.bitstream import ConfigMapKey
from gharial_api.node import AsrCardNode
from gharial_kube.client import JsonObject, Kube, KubeError
from pydantic import ValidationError

from gharial_agent import web
from gharial_agent.bitstreams import BitstreamCache, config_map_value
from gharial_agent.cards.protocol import CardDriver, CardError
from gharial_agent.claims import ClaimBook
from gharial_agent.decide.facts import CardFacts, Limits
from gharial_agent.decide.node import decide
from gharial_agent.decide.verdict import (
    LONG_ACTIONS,
    Action,
    Fail,
    Fetch,
    Flash,
    HadPower,
    PowerCycle,
    Succeed,
    TakeIntoService,
    Verdict,
)
from gharial_agent.dra.health import HealthService, device_health
from gharial_agent.dra.plugin import DraService, KubeletPlugin
from gharial_agent.dra.publisher import SlicePublisher
from gharial_agent.dra.slices import SLICES_PATH, devices
from gharial_agent.events import EventRecorder
from gharial_agent.flashing import Flasher
from gharial_agent.licence_source import LicenceSource
from gharial_agent.mirror import Mirror
from gharial_agent.observe import LicenceInputs, Observation, Observer, desired
from gharial_agent.operations import Operations
from gharial_agent.status import node_status
from gharial_agent.status_writer import NODES_PATH, StatusWriter
from gharial_agent.store import Store

log = logging.getLogger(__name__)

# Rounds follow each other at least this far apart, whatever wakes the loop.
SHORTEST_ROUND_SECONDS = 0.2
# A kubelet that has started registers its plugins within seconds; without one the cards are looked after all the same.
REGISTRATION_SECONDS = 10.0


@dataclass(frozen=True)
class AgentSettings:
    """Where the agent lives. round_seconds: how often it looks at the cards when nothing wakes it."""

    node: str
    namespace: str
    state: Path
    bitstreams: Path
    cdi: Path
    kubelet_root: Path
    public_key: Ed25519PublicKey | None
    limits: Limits
    round_seconds: float = 2.0


class Agent:
    """One node's agent."""

    def __init__(self, settings: AgentSettings, kube: Kube, drivers: Mapping[str, CardDriver]) -> None:
        """`drivers`: by the name in the spec; cards of other drivers are not ours to manage."""
        self._settings = settings
        self._kube = kube
        self._drivers = drivers
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self.pulse = web.Pulse()
        node = settings.node
        self._nodes = Mirror(kube, NODES_PATH, self._wake.set, fieldSelector=f"metadata.name={node}")
        ours = f"spec.nodeName={node},spec.driver={names.DRA_DRIVER}"
        self._slices = Mirror(kube, SLICES_PATH, self._wake.set, fieldSelector=ours)
        self._publisher = SlicePublisher(kube, self._slices, node)
        self._status = StatusWriter(kube, self._nodes, node)
        self._events = EventRecorder(kube, node)
        self._licences = LicenceSource(kube, settings.namespace)
        self._store = Store(settings.state / "state.json")
        self._cache = BitstreamCache(settings.bitstreams, self._read_config_map)
        self._claims = ClaimBook(settings.cdi, self._container_edits, self._is_busy)
        self._observer = Observer(self._store, self._claims, self._cache)
        flasher = Flasher(self._store, settings.state / "flash")
        self._operations = Operations(self._store, self._cache, flasher, self._claims, self._wake.set)
        service = DraService(node, self._claims, self._read_claim, self._wake.set)
        self._health = HealthService(node)
        self._plugin = KubeletPlugin(settings.kubelet_root, service, self._health)
        self._unlicensed = True
        self.pulse.ready = lambda: self._plugin.registered and self._nodes.synced.is_set()

    def run(self) -> None:
        """Works until `stop`, then lets what is under way end; the cards are watched until it has."""
        self._nodes.start()
        self._slices.start()
        self._plugin.start()
        # A node whose cards are told to be ready gets pods, and the kubelet tries a pod whose claim nobody prepares
        # again only after more than a minute.
        self._plugin.await_registration(REGISTRATION_SECONDS)
        while not self._stopping.is_set():
            self._go_round()
            self._stopping.wait(SHORTEST_ROUND_SECONDS)
            self._wake.wait(self._settings.round_seconds)
        if self._operations.current is not None:
            log.info("asked to stop; %s is finished first", self._operations.current.kind)
        while self._operations.current is not None:
            self._go_round()
            time.sleep(SHORTEST_ROUND_SECONDS)
            self._wake.wait(self._settings.round_seconds)
        self._plugin.stop()
        self._operations.wait()

    def _go_round(self) -> None:
        self._wake.clear()
        self.round()
        self.pulse.beat()

    def stop(self) -> None:
        """Asks the loop to end; safe in a signal handler."""
        self._stopping.set()
        self._wake.set()

    def round(self) -> None:
        """One look, one decision. What the API server refuses now is tried again in the next round."""
        if not (self._nodes.synced.is_set() and self._slices.synced.is_set()):
            return
        try:
            live = self._nodes.objects().get(self._settings.node)
            if live is None:
                self._publisher.withdraw()
                return
            node = AsrCardNode.model_validate(live)
            driver = self._drivers.get(node.spec.driver)
            if driver is not None:
                self._manage(driver, node, live)
            else:
                self._publisher.withdraw()
        except ValidationError as error:
            log.error("AsrCardNode %s cannot be read: %s", self._settings.node, error)
        except KubeError as error:
            log.warning("round broken off: %s", error)

    def _manage(self, driver: CardDriver, node: AsrCardNode, live: JsonObject) -> None:
        now = time.time()
        secrets = [reference.secret_ref.name for reference in node.spec.licences]
        documents = self._licences.documents(secrets, now, anxious=self._unlicensed)
        if documents is None:
            return
        inputs = LicenceInputs(documents, self._settings.public_key, datetime.now(UTC).date())
        observation = self._observer.look(driver, node.spec, inputs, self._operations.current)
        plan = decide(observation.facts, desired(node.spec), now, self._settings.limits)
        self._deliver_licences(driver, observation)
        # What is to be remembered is on the disk before anybody relies on it.
        self._perform([action for action in plan.actions if not isinstance(action, LONG_ACTIONS)], driver, node)
        self._health.tell(device_health(observation.facts.cards, plan.verdicts), now)
        # Taints go out before anything is done to a card, so that no new pod is on its way to it.
        owner = {"name": node.metadata.name, "uid": node.metadata.uid}
        found = devices(observation.facts.cards, plan.verdicts, node.spec.pool_ref.name)
        self._publisher.publish(owner, found)
        status = node_status(node, observation.facts, plan.verdicts, datetime.now(UTC))
        self._status.write(status, live, now)
        self._events.tell(node, plan.verdicts)
        count_phases(plan.verdicts)
        count_licences(observation.facts.cards, inputs.today)
        if not self._stopping.is_set():
            self._perform([action for action in plan.actions if isinstance(action, LONG_ACTIONS)], driver, node)

    def _perform(self, actions: Sequence[Action], driver: CardDriver, node: AsrCardNode) -> None:
        for action in actions:
            self._do(action, driver, node)

    def _do(self, action: Action, driver: CardDriver, node: AsrCardNode) -> None:
        now = time.time()
        match action:
            case Fetch() | Flash() | PowerCycle():
                log.info("%s", action)
                self._operations.start(driver, action, node.spec.bitstream)
            case HadPower():
                self._store.had_power(action.card_id, now)
            case Succeed():
                web.FLASHES.labels("succeeded").inc()
                self._store.succeed(action.card_id, now)
            case Fail():
                web.FLASHES.labels("failed").inc()
                self._store.fail(action.card_id, action.reason, action.message, now)
            case TakeIntoService():
                self._store.in_service(action.card_id, action.version)
        if isinstance(action, HadPower | Succeed | Fail | TakeIntoService):
            self._wake.set()

    def _deliver_licences(self, driver: CardDriver, observation: Observation) -> None:
        self._unlicensed = False
        for unique_id, licence in observation.licences.items():
            self._unlicensed |= not licence.judgement.state.allows_running
            try:
                driver.deliver_licence(unique_id, licence.document)
            except CardError as error:
                log.warning("%s", error)

    def _container_edits(self, card_id: str) -> JsonObject:
        record = self._store.get(card_id)
        if record is None:
            raise CardError(f"card {card_id} was never seen on this node")
        return self._drivers[record.driver].container_edits(card_id)

    def _is_busy(self, card_id: str) -> bool:
        record = self._store.get(card_id)
        return record is not None and record.intent is not None and record.intent.active

    def _read_claim(self, namespace: str, name: str) -> JsonObject:
        return self._kube.get(f"/apis/resource.k8s.io/v1/namespaces/{namespace}/resourceclaims/{name}")

    def _read_config_map(self, key: ConfigMapKey) -> bytes:
        try:
            found = self._kube.get(f"/api/v1/namespaces/{self._settings.namespace}/configmaps/{key.name}")
        except KubeError as error:
            raise OSError(str(error)) from None
        return config_map_value(found.get("data") or {}, found.get("binaryData") or {}, key.key)


def count_licences(cards: Sequence[CardFacts], today: date) -> None:
    """The gauges of licences."""
    web.LICENCES.clear()
    web.LICENCE_DAYS.clear()
    for state, number in Counter(card.licence.state for card in cards).items():
        web.LICENCES.labels(state.value).set(number)
    for card in cards:
        licence = card.licence.licence
        if licence is not None and licence.expires is not None:
            web.LICENCE_DAYS.labels(card.unique_id).set((licence.expires - today).days)


def count_phases(verdicts: Mapping[str, Verdict]) -> None:
    """The gauge of cards by phase."""
    web.CARDS.clear()
    for phase, number in Counter(verdict.phase for verdict in verdicts.values()).items():
        web.CARDS.labels(phase).set(number)
