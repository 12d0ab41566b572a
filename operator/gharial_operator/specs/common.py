"""What all objects of a model have in common."""

from gharial_api import AsrModel, names
from gharial_api.base import JsonObject

from gharial_operator.kinds import Kind


def labels(model: AsrModel) -> dict[str, str]:
    """Labels of every object made for a model."""
    return {
        names.MODEL_LABEL: model.metadata.name,
        names.POOL_LABEL: model.spec.pool_ref.name,
        names.MANAGED_BY_LABEL: names.OPERATOR_MANAGER,
    }


def pod_selector(model: AsrModel) -> dict[str, str]:
    """Labels that select a model's pods. A Deployment's selector can never change, so neither may these."""
    return {names.MODEL_LABEL: model.metadata.name}


def child(kind: Kind, model: AsrModel, **parts: JsonObject) -> JsonObject:
    """An object of the model: named like it, labelled, owned by it."""
    head = kind.head(model.metadata.name, model.metadata.namespace)
    head["metadata"] |= {"labels": labels(model), "ownerReferences": [owner(model)]}
    return {**head, **parts}


def owner(model: AsrModel) -> JsonObject:
    """Reference by which Kubernetes removes a child whose model is gone, should the operator be gone too."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.MODEL_KIND,
        "name": model.metadata.name,
        "uid": model.metadata.uid,
        "controller": True,
    }
