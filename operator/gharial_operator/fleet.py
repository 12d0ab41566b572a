"""The fleet at one look, read only: pools and models with their counts, as their statuses tell them."""

from collections.abc import Iterable

from gharial_api import AsrCardPool, AsrModel
from gharial_api.base import JsonObject
from gharial_api.conditions import Condition

from gharial_operator.snapshot import views
from gharial_operator.snapshot.reads import Reads


async def read_fleet(reads: Reads) -> JsonObject:
    """Reads every pool and model. Raises ApiError, OSError or TimeoutError when the API server does not answer."""
    pools, models = await reads.list(views.POOLS), await reads.list(views.MODELS)
    return fleet((seen.value for seen in pools), (seen.value for seen in models))


def fleet(pools: Iterable[AsrCardPool], models: Iterable[AsrModel]) -> JsonObject:
    """The rows of two tables, by name. No node, address, key or licence is in them."""
    return {
        "pools": sorted(map(_pool, pools), key=lambda row: str(row["name"])),
        "models": sorted(map(_model, models), key=lambda row: str(row["name"])),
    }


def _pool(pool: AsrCardPool) -> JsonObject:
    status = pool.status
    return {
        "name": pool.metadata.name,
        "driver": pool.spec.driver,
        "nodes": status.nodes,
        "cards": status.cards.total,
        "ready": status.cards.ready,
        "state": _state(status.conditions),
    }


def _model(model: AsrModel) -> JsonObject:
    status = model.status
    return {
        "name": f"{model.metadata.namespace}/{model.metadata.name}",
        "pool": model.spec.pool_ref.name,
        "replicas": status.replicas,
        "ready": status.ready_replicas,
        "streams": status.active_streams,
        "capacity": status.stream_capacity,
        "state": _state(status.conditions),
    }


def _state(conditions: Iterable[Condition]) -> str:
    """The reason of the condition Ready; empty before the operator has looked."""
    return next((str(condition.reason) for condition in conditions if condition.type == "Ready"), "")
