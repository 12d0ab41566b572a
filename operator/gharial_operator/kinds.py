"""The kinds of object the operator touches, as the API server addresses them."""

from dataclasses import dataclass

from gharial_api import names
from gharial_api.base import JsonObject


@dataclass(frozen=True)
class Kind:
    """One resource of the API server."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def group(self) -> str:
        """API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def root(self) -> str:
        """Path of the API group's version."""
        return f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"

    def path(self, name: str = "", namespace: str | None = None, subresource: str = "") -> str:
        """Path of the collection, of one object or of its subresource."""
        middle = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        path = f"{self.root}{middle}/{self.plural}"
        path += f"/{name}" if name else ""
        return path + (f"/{subresource}" if subresource else "")

    def head(self, name: str, namespace: str | None = None) -> JsonObject:
        """apiVersion, kind and metadata of an object."""
        where = {"namespace": namespace} if namespace else {}
        return {"apiVersion": self.api_version, "kind": self.kind, "metadata": {"name": name, **where}}


POOL = Kind(names.API_VERSION, names.POOL_KIND, names.POOL_PLURAL, namespaced=False)
CARD_NODE = Kind(names.API_VERSION, names.NODE_KIND, names.NODE_PLURAL, namespaced=False)
MODEL = Kind(names.API_VERSION, names.MODEL_KIND, names.MODEL_PLURAL)

NODE = Kind("v1", "Node", "nodes", namespaced=False)
POD = Kind("v1", "Pod", "pods")
SERVICE = Kind("v1", "Service", "services")
SECRET = Kind("v1", "Secret", "secrets")
SERVICE_ACCOUNT = Kind("v1", "ServiceAccount", "serviceaccounts")
EVENT = Kind("v1", "Event", "events")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")
DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")
DISRUPTION_BUDGET = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
CLAIM_TEMPLATE = Kind("resource.k8s.io/v1", "ResourceClaimTemplate", "resourceclaimtemplates")
CLAIM = Kind("resource.k8s.io/v1", "ResourceClaim", "resourceclaims")
RESOURCE_SLICE = Kind("resource.k8s.io/v1", "ResourceSlice", "resourceslices", namespaced=False)
GATEWAY = Kind("gateway.networking.k8s.io/v1", "Gateway", "gateways")
HTTP_ROUTE = Kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes")
TRAFFIC_POLICY = Kind("gateway.envoyproxy.io/v1alpha1", "BackendTrafficPolicy", "backendtrafficpolicies")

#: What a model is made of, in the order in which it is put up. It is taken down route first, so that new streams stop
#: before the pods drain.
MODEL_CHILDREN = (
    SERVICE_ACCOUNT,
    CLAIM_TEMPLATE,
    SERVICE,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    HTTP_ROUTE,
    TRAFFIC_POLICY,
)
#: APIs that a cluster may lack.
OPTIONAL = (HTTP_ROUTE, TRAFFIC_POLICY)
