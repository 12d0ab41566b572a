"""The PodDisruptionBudget of a model: node drains take one pod at a time."""

from gharial_api import AsrModel
from gharial_api.base import JsonObject

from gharial_operator.kinds import DISRUPTION_BUDGET
from gharial_operator.specs.common import child, pod_selector


def build_disruption_budget(model: AsrModel) -> JsonObject:
    """A pod that never became ready may always be evicted: it would block a drain for nothing."""
    spec = {
        "maxUnavailable": 1,
        "selector": {"matchLabels": pod_selector(model)},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return child(DISRUPTION_BUDGET, model, spec=spec)
