"""The PodDisruptionBudget of a model: node drains take as many pods at a time as the model's own rollout."""

from gharial_api import AsrModel
from gharial_api.base import JsonObject

from gharial_operator.kinds import DISRUPTION_BUDGET
from gharial_operator.specs.common import child, pod_selector


def build_disruption_budget(model: AsrModel) -> JsonObject:
    """A pod that never became ready may always be evicted: it would block a drain for nothing."""
    at_a_time = model.spec.rollout.max_unavailable
    spec = {
        # With 0 no node under the model could ever be drained.
        "maxUnavailable": at_a_time if at_a_time not in {0, "0%"} else 1,
        "selector": {"matchLabels": pod_selector(model)},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return child(DISRUPTION_BUDGET, model, spec=spec)
