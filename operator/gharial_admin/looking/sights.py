"""What is read of a cluster. charts/gharial/files/support-cluster-rules.yaml gives the rights for exactly this."""

from dataclasses import dataclass

from gharial_api import names

_ROOT = f"/apis/{names.API_VERSION}"
_PARTS = "app.kubernetes.io/name=gharial"
_MODELS = names.MODEL_LABEL
_DRA = "/apis/resource.k8s.io/v1"
_GATEWAY = "/apis/gateway.networking.k8s.io/v1"
DEFINITIONS = tuple(f"{plural}.{names.GROUP}" for plural in (names.POOL_PLURAL, names.NODE_PLURAL, names.MODEL_PLURAL))
#: Where kubelets renew their Leases, each by its own machine's clock.
NODE_LEASES = "kube-node-lease"


@dataclass(frozen=True)
class Sight:
    """One kind of object to look at.

    selector: labels or fields, as a query. single: these names only, read one by one. namespaces: where to look; in
    the whole cluster when empty. names_alone: without what the objects hold. quiet: nobody misses it.
    """

    plural: str
    root: str
    namespaced: bool = True
    label: str = ""
    field: str = ""
    single: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    names_alone: bool = False
    quiet: bool = False


POOLS = Sight(names.POOL_PLURAL, _ROOT, namespaced=False)
CARD_NODES = Sight(names.NODE_PLURAL, _ROOT, namespaced=False)
MODELS = Sight(names.MODEL_PLURAL, _ROOT)
NODES = Sight("nodes", "/api/v1", namespaced=False)
#: Objects of ours: who may not read these sees nothing.
ESSENTIAL = (POOLS, CARD_NODES, MODELS)


def sights(system: str) -> tuple[Sight, ...]:
    """Everything that a check looks at. system: the namespace of operator and agents."""
    return (
        *ESSENTIAL,
        NODES,
        Sight("customresourcedefinitions", "/apis/apiextensions.k8s.io/v1", namespaced=False, single=DEFINITIONS),
        Sight("deployments", "/apis/apps/v1", label=_PARTS),
        Sight("deployments", "/apis/apps/v1", label=_MODELS),
        Sight("daemonsets", "/apis/apps/v1", label=_PARTS),
        Sight("pods", "/api/v1", label=_PARTS),
        Sight("pods", "/api/v1", label=_MODELS),
        Sight("poddisruptionbudgets", "/apis/policy/v1", label=_MODELS),
        Sight("leases", "/apis/coordination.k8s.io/v1", namespaces=(system, NODE_LEASES)),
        Sight("deviceclasses", _DRA, namespaced=False, single=(names.DEVICE_CLASS,)),
        Sight("resourceslices", _DRA, namespaced=False, field=f"spec.driver={names.DRA_DRIVER}"),
        Sight("resourceclaims", _DRA, label=_MODELS),
        Sight("resourceclaimtemplates", _DRA, label=_MODELS),
        Sight("gatewayclasses", _GATEWAY, namespaced=False, quiet=True),
        Sight("gateways", _GATEWAY),
        Sight("httproutes", _GATEWAY, label=_MODELS),
        Sight("configmaps", "/api/v1", namespaces=(system,), names_alone=True, quiet=True),
        # Nobody needs the right to read Secrets for this; an admin who has it gets their names into the bundle.
        Sight("secrets", "/api/v1", namespaces=(system,), names_alone=True, quiet=True),
    )


def events(namespaces: tuple[str, ...]) -> Sight:
    """What happened: events of cluster-scoped objects lie in the namespace default."""
    return Sight("events", "/api/v1", namespaces=namespaces)
