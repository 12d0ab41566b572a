"""Thousands of random histories of a cluster: whatever happens, the rollout keeps its promises and comes to an end."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from rollout_histories import Histories


@pytest.mark.timeout(900)
def test_every_history_keeps_its_promises_and_ends_in_done_or_a_named_stop() -> None:
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=1000, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
