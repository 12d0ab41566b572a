"""Names that more than one process must spell alike: groups, kinds, labels, annotations, finalizers."""

GROUP = "asr.gharial.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

POOL_KIND = "AsrCardPool"
NODE_KIND = "AsrCardNode"
MODEL_KIND = "AsrModel"
POOL_PLURAL = "asrcardpools"
NODE_PLURAL = "asrcardnodes"
MODEL_PLURAL = "asrmodels"

#: DRA driver of the cards that the agent manages (achronix, simulated), and the DeviceClass that selects it.
DRA_DRIVER = "cards.asr.gharial.dev"
DEVICE_CLASS = "asr-card"

#: Where the operator, the agents and the licence Secrets live.
SYSTEM_NAMESPACE = "gharial-system"

OPERATOR_MANAGER = "gharial-operator"
AGENT_MANAGER = "gharial-agent"

#: On every object made for a pool: the pool's name.
POOL_LABEL = f"{GROUP}/pool"
#: On every object and pod made for a model: the model's name.
MODEL_LABEL = f"{GROUP}/model"
#: Recommended label that says who made an object.
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"

#: Digest of what the operator last applied to a child object, so that an unchanged child costs no write.
APPLIED_ANNOTATION = f"{GROUP}/applied"

#: Holds a deleted pool until no model uses it and its AsrCardNodes are gone.
POOL_FINALIZER = f"{GROUP}/pool"
#: Holds a deleted AsrCardNode while its machine may be without power by our doing.
POWER_FINALIZER = f"{GROUP}/power"
#: Holds a deleted model until its route is closed and its pods have drained.
MODEL_FINALIZER = f"{GROUP}/model"

#: PCI identity of the Achronix speech card.
CARD_PCI_VENDOR = "12ba"
CARD_PCI_DEVICE = "0069"

#: Ports and paths of a server pod: streams, operations (never routed), whole recordings.
STREAM_PORT = 3030
HTTP_PORT = 8080
API_PORT = 8000
API_PATH = "/v1"
PAGE_PATH = "/ui"
STREAM_PATH = "/asr/v0.1/stream"

#: Checkpoint cache of a node, keyed by sha256.
MODEL_CACHE = "/var/lib/gharial/models"

#: Where the keys of a model's tenants are mounted in a server pod.
TENANT_KEYS = "/etc/gharial/tenants"
