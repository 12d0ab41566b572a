"""The cluster as the plugin's verbs see it, and refusals in words."""

import argparse
from dataclasses import dataclass
from datetime import UTC, datetime

from gharial_api import AsrCardNode, AsrCardPool, names
from gharial_api.base import JsonObject
from gharial_api.words import names as named
from gharial_kube.client import Kube, KubeError, context_namespace
from pydantic import ValidationError

ROOT = f"/apis/{names.API_VERSION}"
POOLS = f"{ROOT}/{names.POOL_PLURAL}"
CARD_NODES = f"{ROOT}/{names.NODE_PLURAL}"
MANAGER = "kubectl-gharial"
REQUEST_SECONDS = 15.0


@dataclass(frozen=True)
class Access:
    """One cluster, and the namespace that the user means."""

    kube: Kube
    namespace: str

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> "Access":
        """As kubectl would find it. Raises ValueError."""
        file, context = arguments.kubeconfig, arguments.context
        kube = Kube.as_kubectl(file, context, REQUEST_SECONDS)
        return cls(kube, arguments.namespace or context_namespace(file, context))

    def pools(self) -> list[JsonObject]:
        """All pools, by name. Raises RuntimeError with what is missing."""
        try:
            found = self.kube.get(POOLS).get("items") or []
        except KubeError as error:
            raise refusal(error, "list", names.POOL_PLURAL) from None
        return sorted(found, key=lambda pool: str(pool["metadata"]["name"]))

    def pool(self, name: str | None) -> JsonObject:
        """A pool; the only one when no name is given. Raises RuntimeError that names those there are."""
        every = self.pools()
        there = [str(pool["metadata"]["name"]) for pool in every]
        if name is None and len(every) == 1:
            return every[0]
        chosen = next((pool for pool in every if pool["metadata"]["name"] == name), None)
        if chosen is not None:
            return chosen
        if not there:
            raise RuntimeError("there is no AsrCardPool. What is wrong otherwise: gharial check")
        if name is None:
            raise RuntimeError(f"say which pool: {named(there)}")
        raise RuntimeError(f"there is no AsrCardPool {name}; there is {named(there)}")

    def nodes_of(self, pool: str) -> list[AsrCardNode]:
        """The nodes of a pool, by name."""
        try:
            found = self.kube.get(CARD_NODES).get("items") or []
        except KubeError as error:
            raise refusal(error, "list", names.NODE_PLURAL) from None
        nodes = [AsrCardNode.model_validate(each) for each in found]
        mine = [node for node in nodes if node.spec.pool_ref.name == pool]
        return sorted(mine, key=lambda node: node.metadata.name)

    def patch_pool(self, pool: JsonObject, spec: JsonObject) -> JsonObject:
        """Changes the pool's spec, if nobody else has changed the pool since it was read."""
        metadata = {"resourceVersion": pool["metadata"]["resourceVersion"]}
        path = f"{POOLS}/{pool['metadata']['name']}"
        try:
            return self.kube.merge(path, {"metadata": metadata, "spec": spec}, MANAGER)
        except KubeError as error:
            raise refusal(error, "patch", names.POOL_PLURAL) from None


def typed(pool: JsonObject) -> AsrCardPool:
    """The pool as this version knows it. Raises RuntimeError."""
    try:
        return AsrCardPool.model_validate(pool)
    except ValidationError as error:
        name = pool["metadata"]["name"]
        raise RuntimeError(f"pool {name} is of another version than this command: {error.errors()[0]['msg']}") from None


def refusal(error: KubeError, verb: str, plural: str) -> RuntimeError:
    """What the API server's no means, and what helps."""
    what = f"{plural}.{names.GROUP}"
    if error.status == 403:
        role = "gharial-admin" if verb == "patch" else "gharial-support"
        return RuntimeError(f"you may not {verb} {what}: ask for that right, or for the ClusterRole {role}")
    if error.status == 401:
        return RuntimeError("the cluster does not know you: log in again, or give another --context")
    if error.status == 404:
        return RuntimeError(f"the cluster has no {what}: Gharial is not installed here. See: gharial check")
    if error.status == 409:
        return RuntimeError("somebody else changed the pool at the same moment: look at it and try again")
    return RuntimeError(str(error))


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)
