"""The benchmark of the control plane in small: what it counts is right, and an operator at rest is at rest."""

from pathlib import Path

from gharial_cluster.scale.measure import measure
from gharial_cluster.scale.settings import ScaleSettings, table

SMALL = ScaleSettings(nodes=30, cards=3, models=30, changes=6, idle_seconds=8.0)


def test_a_small_fleet_is_reconciled_with_few_requests_and_then_left_alone(tmp_path: Path) -> None:
    result = measure(SMALL, tmp_path, lambda _: None)
    assert result.idle_writes == 0
    # The lease is looked at and renewed every two seconds; what the cluster lacks is looked for twice a minute.
    assert result.idle_requests_per_second < 2
    # A finalizer, five objects, a status that is told and written, once more for what came meanwhile; likewise a node.
    assert result.reconcile_requests < 12 * (SMALL.nodes + SMALL.models) + 100
    assert 30 < result.operator_rss_mb <= result.operator_peak_mb < 200
    assert 0 < result.change_p50_seconds <= result.change_p99_seconds
    assert "| its requests while idle |" in table(result)
