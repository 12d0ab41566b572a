"""The Service in front of a model's pods."""

from gharial_api import AsrModel, names
from gharial_api.base import JsonObject

from gharial_operator.kinds import SERVICE
from gharial_operator.specs.common import child, pod_selector


def build_service(model: AsrModel) -> JsonObject:
    """Streams, whole recordings and operations of the ready pods."""
    ports = [
        {"name": "stream", "port": names.STREAM_PORT, "targetPort": "stream", "protocol": "TCP"},
        {"name": "api", "port": names.API_PORT, "targetPort": "api", "protocol": "TCP"},
        {"name": "http", "port": names.HTTP_PORT, "targetPort": "http", "protocol": "TCP"},
    ]
    return child(SERVICE, model, spec={"type": "ClusterIP", "selector": pod_selector(model), "ports": ports})
