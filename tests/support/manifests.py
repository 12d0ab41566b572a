"""Good objects of each kind, to be spoilt by tests."""

import copy
from typing import Any

SHA = "0123456789abcdef" * 4


def pool(name: str = "cards", **spec: Any) -> dict[str, Any]:
    """A pool of simulated cards with a bitstream; None in spec removes a field."""
    good = {
        "driver": "simulated",
        "nodeSelector": {"asr.gharial.dev/cards": "simulated"},
        "bitstream": {"version": "1.2.0", "url": "https://example.com/card.bit", "sha256": SHA},
        "licences": [{"secretRef": {"name": "licences"}}],
        "podResources": {"cpu": "1", "memory": "1Gi"},
    }
    return _object("AsrCardPool", name, None, good, spec)


def model(name: str = "english", namespace: str = "default", **spec: Any) -> dict[str, Any]:
    """A model on the pool `cards`; None in spec removes a field."""
    good = {
        "poolRef": {"name": "cards"},
        "model": {
            "name": "english",
            "language": "en",
            "architecture": "starter",
            "checkpoint": {"uri": "/opt/gharial/models/starter/starter.gharial", "sha256": SHA},
        },
        "replicas": 1,
    }
    return _object("AsrModel", name, namespace, good, spec)


def _object(kind: str, name: str, namespace: str | None, good: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    merged = {key: value for key, value in {**copy.deepcopy(good), **spec}.items() if value is not None}
    metadata = {"name": name} if namespace is None else {"name": name, "namespace": namespace}
    return {"apiVersion": "asr.gharial.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": merged}


def changed(base: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The object with the field at a dotted path set to a value, or removed when the value is None."""
    result = copy.deepcopy(base)
    *parents, last = path.split(".")
    place = result
    for parent in parents:
        place = place.setdefault(parent, {})
    if value is None:
        place.pop(last, None)
    else:
        place[last] = value
    return result
