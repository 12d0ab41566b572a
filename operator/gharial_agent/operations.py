"""The agent's one pair of hands: a thread that fetches, flashes and power-cycles, one thing at a time."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from gharial_api.bitstream import Bitstream
from gharial_api.conditions import Reason

from gharial_agent.bitstreams import BitstreamCache
from gharial_agent.cards.protocol import CardDriver, CardError
from gharial_agent.claims import ClaimBook
from gharial_agent.decide.facts import Operation
from gharial_agent.decide.verdict import Fetch, Flash, PowerCycle
from gharial_agent.flashing import Flasher
from gharial_agent.store import Intent, Step, Store
from gharial_agent.web import FLASHES

log = logging.getLogger(__name__)


class Operations:
    """Starts long actions in a thread. `on_change` is called when one has ended, or has something to tell."""

    def __init__(
        self,
        store: Store,
        cache: BitstreamCache,
        flasher: Flasher,
        claims: ClaimBook,
        on_change: Callable[[], None],
    ) -> None:
        self._store = store
        self._cache = cache
        self._flasher = flasher
        self._claims = claims
        self._on_change = on_change
        self._thread: threading.Thread | None = None
        self._current: Operation | None = None

    @property
    def current(self) -> Operation | None:
        """What is being done now."""
        return self._current

    def start(self, driver: CardDriver, action: Fetch | Flash | PowerCycle, wanted: Bitstream | None) -> None:
        """Begins an action unless one is under way. `wanted`: the spec's bitstream, for Fetch."""
        if self._current is not None:
            return
        match action:
            case Fetch() if wanted is not None:
                self._begin(Operation("Fetch"), lambda: self._cache.fetch(wanted, driver, time.time()))
            case Flash():
                self._begin(Operation("Flash", action.card_id), lambda: self._flash(driver, action))
            case PowerCycle():
                self._begin(Operation("PowerCycle", action.card_id), lambda: self._power_cycle(driver, action.card_id))

    def wait(self) -> None:
        """Waits for what is under way, however long it takes: a write is never cut off."""
        if self._thread is not None:
            self._thread.join()

    def _begin(self, operation: Operation, work: Callable[[], None]) -> None:
        self._current = operation
        # Not a daemon thread: the interpreter waits for it, so that even an unforeseen end lets a write finish.
        self._thread = threading.Thread(target=self._run, args=[operation, work], name=operation.kind)
        self._thread.start()

    def _run(self, operation: Operation, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            foreseen = isinstance(error, CardError | OSError)
            log.error("%s %s failed: %s", operation.kind, operation.card_id, error, exc_info=not foreseen)
            self._failed(operation, error)
        finally:
            self._current = None
            self._on_change()

    def _failed(self, operation: Operation, error: Exception) -> None:
        if operation.kind == "Flash":
            reason, what = Reason.FLASH_FAILED, "Flashing"
        else:
            reason, what = Reason.POWER_CYCLE_REQUIRED, "Power-cycling"
        message = f"{what} card {operation.card_id} failed: {error}."
        if operation.card_id:
            FLASHES.labels("failed").inc()
            self._store.fail(operation.card_id, str(reason), message, time.time())

    def _progress(self, percent: int, heard: float, note: str) -> None:
        operation = self._current
        if operation is not None:
            self._current = replace(operation, progress=percent, heard=heard, note=note)

    def _flash(self, driver: CardDriver, action: Flash) -> None:
        target, card_id = action.target, action.card_id
        self._flasher.wait_for_predecessor(card_id, self._progress)
        image = self._cache.read(target.sha256)
        intent = Intent(target.version, target.sha256, action.attempt, Step.WRITING, time.time())
        if self._claims.close_card(card_id, lambda: self._store.intend(card_id, intent)):
            self._flasher.flash(driver, card_id, image, intent, self._progress)

    def _power_cycle(self, driver: CardDriver, card_id: str) -> None:
        record = self._store.get(card_id)
        if record is None or record.intent is None:
            return
        intent = record.intent
        self._store.intend(card_id, replace(intent, step=Step.POWERING_OFF, time=time.time()))
        driver.power_cycle(card_id)
        self._store.intend(card_id, replace(intent, step=Step.POWERED_ON, time=time.time()))
