"""What `kubectl get asrcardnodes -w` tells beside a test: every state of every node, as it comes."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType

from gharial_cluster.binaries.store import Binaries
from gharial_cluster.demo.site import NotReachedError, Site

FIELDS = (
    ".metadata.name", ".spec.rollout.state", ".spec.bitstream.version", ".status.cards[*].phase",
    ".status.cards[*].bitstream", ".status.cards[*].streams.used", ".spec.flashReason",
)  # fmt: skip

#: States on the way of a node; those of the middle are the agent's doing.
ON_THE_WAY = (
    "Cordoned", "WaitingForStreams", "Drained", "Flashing", "PowerCycling", "Enumerating", "Validating", "Uncordoned",
)  # fmt: skip
AGENT_STATES = frozenset({"Flashing", "PowerCycling", "Enumerating", "Validating"})


@dataclass(frozen=True)
class Seen:
    """One report of a node: the operator's state and reason, the card's phase and live bitstream as its agent sees it.

    at: seconds of the monotonic clock.
    """

    at: float
    node: str
    state: str
    target: str
    phase: str
    bitstream: str
    streams: str
    why: str

    @property
    def is_fresh(self) -> bool:
        """Whether the report has just come: a hand that strikes now strikes in this state."""
        return time.monotonic() - self.at < 0.1

    @property
    def reason(self) -> str:
        """The first word of why."""
        return self.why.split(":")[0]


class Watching:
    """Use it as a context. It goes on when the API server was away: what it missed is told again as it is then."""

    def __init__(self, site: Site) -> None:
        line = "|".join(f"{{{field}}}" for field in FIELDS) + '{"\\n"}'
        kubectl = str(Binaries.default().ensure("kubectl")["kubectl"])
        self._command = [
            kubectl, f"--kubeconfig={site.cluster.kubeconfig}", "get", "asrcardnodes", "--watch", "-o",
            f"jsonpath={line}",
        ]  # fmt: skip
        self._ended = False
        self._news = threading.Condition()
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._read, name="watching", daemon=True)
        self.seen: list[Seen] = []

    def __enter__(self) -> "Watching":
        self._thread.start()
        self.wait(lambda now: bool(now), 30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        if self._process is not None:
            self._process.kill()
        self._thread.join(10)

    def now(self) -> dict[str, Seen]:
        """The last report of every node."""
        return {seen.node: seen for seen in list(self.seen)}

    def wait(self, reached: Callable[[dict[str, Seen]], bool], timeout: float) -> dict[str, Seen]:
        """Waits for a state of the nodes. Raises NotReachedError with what was seen."""
        end = time.monotonic() + timeout
        with self._news:
            while not reached(self.now()):
                if not self._news.wait(max(0.0, end - time.monotonic())):
                    raise NotReachedError(f"after {timeout:.0f} s: {self.now()}; before: {self.told()}")
            return self.now()

    def each(self, timeout: float) -> Iterator[Seen]:
        """Every report from now on, as it comes. Raises NotReachedError when no end is made of it in time."""
        end, at = time.monotonic() + timeout, len(self.seen)
        while True:
            with self._news:
                while at == len(self.seen):
                    if not self._news.wait(max(0.0, end - time.monotonic())):
                        raise NotReachedError(f"after {timeout:.0f} s: {self.now()}; before: {self.told()}")
            yield self.seen[at]
            at += 1

    def told(self) -> dict[str, list[str]]:
        """The operator's states of each node in order, each once."""
        states: dict[str, list[str]] = {}
        for seen in self.seen:
            before = states.setdefault(seen.node, [])
            if not before or before[-1] != seen.state:
                before.append(seen.state)
        return states

    def most_out_of_service(self) -> int:
        """The most nodes that were on their way at a time."""
        now: dict[str, bool] = {}
        most = 0
        for seen in self.seen:
            # An Uncordoned node is given back; that it is Done may be told after the next one's Cordoned.
            now[seen.node] = seen.state in ON_THE_WAY and seen.state != "Uncordoned"
            most = max(most, sum(now.values()))
        return most

    def _read(self) -> None:
        while not self._ended:
            self._process = subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1
            )
            assert self._process.stdout is not None
            with self._process, self._process.stdout as lines:
                for line in lines:
                    fields = line.rstrip("\n").split("|")
                    if len(fields) == len(FIELDS):
                        with self._news:
                            self.seen.append(Seen(time.monotonic(), *fields))
                            self._news.notify_all()
            time.sleep(0.2)
