"""The HTTPRoute that leads streams, whole recordings and the page from a Gateway to a model."""

from gharial_api import AsrModel, names
from gharial_api.base import JsonObject
from gharial_api.model import GatewayRef

from gharial_operator.kinds import HTTP_ROUTE
from gharial_operator.specs.common import child


def build_http_route(model: AsrModel, gateway: GatewayRef) -> JsonObject:
    """Streams and recordings that ask for the model by name, and those that ask for none. Operations stay inside.

    Several models may share a host: the match with the query parameter is the more specific one and wins, and requests
    without it go to the oldest route.
    """
    parent: JsonObject = {"name": gateway.name}
    if gateway.namespace is not None:
        parent["namespace"] = gateway.namespace
    if gateway.section_name is not None:
        parent["sectionName"] = gateway.section_name
    rules = [
        _rule(model, {"type": "Exact", "value": names.STREAM_PATH}, names.STREAM_PORT),
        _rule(model, {"type": "PathPrefix", "value": names.API_PATH}, names.API_PORT),
        # The page and its files; a gateway's other paths stay its own.
        _rule(model, {"type": "Exact", "value": "/"}, names.API_PORT),
        _rule(model, {"type": "PathPrefix", "value": names.PAGE_PATH}, names.API_PORT),
    ]
    spec: JsonObject = {"parentRefs": [parent], "rules": rules}
    if model.spec.routing.hostnames:
        spec["hostnames"] = list(model.spec.routing.hostnames)
    return child(HTTP_ROUTE, model, spec=spec)


def _rule(model: AsrModel, path: JsonObject, port: int) -> JsonObject:
    by_name = {"type": "Exact", "name": "model", "value": model.spec.model.name}
    return {
        "matches": [{"path": path, "queryParams": [by_name]}, {"path": path}],
        "backendRefs": [{"name": model.metadata.name, "port": port}],
        # A stream lasts as long as somebody speaks, a recording as long as it takes.
        "timeouts": {"request": "0s"},
    }
