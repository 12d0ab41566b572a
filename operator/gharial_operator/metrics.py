"""Prometheus metrics of the operator."""

from prometheus_client import Counter, Gauge, Histogram

WRITES = Counter("gharial_operator_writes_total", "Writes to the API server.", ["method"])
RECONCILES = Counter("gharial_operator_reconciles_total", "Reconciliations by kind and result.", ["kind", "result"])
RECONCILE_SECONDS = Histogram("gharial_operator_reconcile_seconds", "Time of one reconciliation.", ["kind"])
QUEUE_LENGTH = Gauge("gharial_operator_queue_length", "Objects waiting to be reconciled.")
ROLLOUT_NODES = Gauge("gharial_rollout_nodes", "Nodes of a pool by the state of their rollout.", ["pool", "state"])
POWER_CYCLES = Counter("gharial_power_cycles_total", "Power cycles of machines by result.", ["result"])
LEADER = Gauge("gharial_operator_leader", "1 while this replica is the one that writes.")
CONDITION = Gauge(
    "gharial_condition",
    "1 while the condition is True, 0 while it is False or Unknown.",
    ["kind", "namespace", "name", "type"],
)
