"""The ServiceAccount of a model's pods: an identity without rights and without a token."""

from gharial_api import AsrModel
from gharial_api.base import JsonObject

from gharial_operator.kinds import SERVICE_ACCOUNT
from gharial_operator.specs.common import child


def build_service_account(model: AsrModel) -> JsonObject:
    """Server pods never talk to the API server."""
    return {**child(SERVICE_ACCOUNT, model), "automountServiceAccountToken": False}
