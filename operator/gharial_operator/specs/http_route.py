"""The HTTPRoute that leads streams from a Gateway to a model."""

from gharial_api import AsrModel, names
from gharial_api.base import JsonObject
from gharial_api.model import GatewayRef

from gharial_operator.kinds import HTTP_ROUTE
from gharial_operator.specs.common import child


def build_http_route(model: AsrModel, gateway: GatewayRef) -> JsonObject:
    """Streams that ask for the model by name, and those that ask for none.

    Several models may share a host: the match with the query parameter is the more specific one and wins, and streams
    without it go to the oldest route.
    """
    parent: JsonObject = {"name": gateway.name}
    if gateway.namespace is not None:
        parent["namespace"] = gateway.namespace
    if gateway.section_name is not None:
        parent["sectionName"] = gateway.section_name
    path = {"type": "Exact", "value": names.STREAM_PATH}
    by_name = {"type": "Exact", "name": "model", "value": model.spec.model.name}
    rule = {
        "matches": [{"path": path, "queryParams": [by_name]}, {"path": path}],
        "backendRefs": [{"name": model.metadata.name, "port": names.STREAM_PORT}],
        # A stream lasts as long as somebody speaks.
        "timeouts": {"request": "0s"},
    }
    spec: JsonObject = {"parentRefs": [parent], "rules": [rule]}
    if model.spec.routing.hostnames:
        spec["hostnames"] = list(model.spec.routing.hostnames)
    return child(HTTP_ROUTE, model, spec=spec)
