"""What is measured of the control plane, and what comes out."""

from dataclasses import asdict, dataclass
from typing import Any

from gharial_server.bench.machine import Machine


@dataclass(frozen=True)
class ScaleSettings:
    """nodes, cards of each, models; changes: how many cards fall ill or recover; idle_seconds: of doing nothing."""

    nodes: int = 1000
    cards: int = 5
    models: int = 1000
    changes: int = 200
    idle_seconds: float = 60.0

    def __post_init__(self) -> None:
        low = [name for name in ("nodes", "cards", "models", "changes") if getattr(self, name) < 1]
        if low or self.idle_seconds <= 0:
            raise ValueError(f"--{(low or ['idle-seconds'])[0]} must be more than 0")
        if self.models > self.nodes * self.cards:
            raise ValueError("--models must not be more than the cards: every model wants one")


@dataclass(frozen=True)
class ScaleResult:
    """Figures of one run.

    reconcile_seconds: from the first model's POST until every AsrCardNode is Done, the pool is ready and every model's
    status is of its generation. operator_rss_mb: resident after that and the idle time; operator_peak_mb: at most.
    idle_requests_per_second: of the operator, as the API server counts them; idle_writes: those of them that write.
    change_*_seconds: from before an agent's report that a card fell ill, or recovered, until a watcher of the pool sees
    its status say so. *_cpu_seconds: of the operator's process.
    """

    reconcile_seconds: float
    operator_rss_mb: float
    idle_requests_per_second: float
    change_p99_seconds: float
    change_p50_seconds: float
    operator_peak_mb: float
    idle_writes: int
    reconcile_requests: int
    reconcile_cpu_seconds: float
    idle_cpu_seconds: float
    change_cpu_seconds: float
    settings: ScaleSettings
    machine: Machine

    def to_json(self) -> dict[str, Any]:
        """The result as JSON has it."""
        return asdict(self)


def table(result: ScaleResult) -> str:
    """The result for people, as a table of Markdown."""
    wanted = result.settings
    memory = f"{result.operator_rss_mb:.0f} MB ({result.operator_peak_mb:.0f} MB)"
    rows = [
        ("all reconciled", f"{result.reconcile_seconds:.1f} s", "120 s"),
        ("operator, resident (at most)", memory, "200 MB"),
        ("its requests while idle", f"{result.idle_requests_per_second:.2f} /s, {result.idle_writes} writes", "5 /s"),
        ("one card's change seen, p50", f"{result.change_p50_seconds:.3f} s", ""),
        ("one card's change seen, p99", f"{result.change_p99_seconds:.3f} s", "1 s"),
        ("its requests until reconciled", f"{result.reconcile_requests}", ""),
        ("its CPU until reconciled", f"{result.reconcile_cpu_seconds:.1f} s", ""),
        (f"its CPU in {wanted.idle_seconds:.0f} s idle", f"{result.idle_cpu_seconds:.2f} s", ""),
        ("its CPU for one card's change", f"{result.change_cpu_seconds / wanted.changes:.3f} s", ""),
    ]
    machine = result.machine
    head = (
        f"{wanted.nodes} nodes, {wanted.nodes * wanted.cards} cards, {wanted.models} models, {wanted.changes} changes; "
        f"{machine.cpu}, {machine.cores} cores, load {machine.load}, commit {machine.commit}"
    )
    lines = [head, "", "| what | measured | goal |", "|---|---|---|"]
    return "\n".join(lines + [f"| {what} | {measured} | {goal} |" for what, measured, goal in rows])
