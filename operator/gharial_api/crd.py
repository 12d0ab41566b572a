"""Writes the CustomResourceDefinitions: `python -m gharial_api.crd crds`."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from gharial_api.base import ApiModel, JsonObject, cel
from gharial_api.model import AsrModel, ModelSpec, ModelStatus
from gharial_api.names import GROUP, MODEL_KIND, MODEL_PLURAL, NODE_KIND, NODE_PLURAL, POOL_KIND, POOL_PLURAL, VERSION
from gharial_api.node import AsrCardNode, NodeSpec, NodeStatus
from gharial_api.pool import AsrCardPool, PoolSpec, PoolStatus
from gharial_api.schema import structural_schema, without_defaults

Column = tuple[str, str, str, int]  # name, type, path, priority (1 shows with -o wide)

_READY = ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', 0)
_REASON = ("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason', 0)
_MESSAGE = ("Message", "string", '.status.conditions[?(@.type=="Ready")].message', 1)
_AGE = ("Age", "date", ".metadata.creationTimestamp", 0)

# A model's name becomes the name of a Service and of pods, which allow less than a custom resource does.
_MODEL_NAME = cel(
    "self.metadata.name.matches('^[a-z]([-a-z0-9]{0,48}[a-z0-9])?$')",
    "metadata.name must start with a letter, hold only a-z, 0-9 and '-', and have at most 50 characters: "
    "its Service and pods carry it",
)
_POOL_NAME = cel("self.metadata.name.size() <= 63", "metadata.name must have at most 63 characters: labels carry it")
# The agent of a node finds its object by the node's own name, and no node gets two of them.
_NODE_NAME = cel(
    "self.metadata.name == self.spec.nodeName", "metadata.name must equal spec.nodeName: one object per node"
)


@dataclass(frozen=True)
class Kind:
    """What a CustomResourceDefinition says about a kind, beside its schema."""

    name: str
    plural: str
    short: tuple[str, ...]
    scope: str
    whole: type[ApiModel]
    spec: type[ApiModel]
    status: type[ApiModel]
    columns: tuple[Column, ...]
    rules: tuple[JsonObject, ...] = ()
    scale: JsonObject = field(default_factory=dict)


KINDS = (
    Kind(
        name=POOL_KIND,
        plural=POOL_PLURAL,
        short=("acp",),
        scope="Cluster",
        whole=AsrCardPool,
        spec=PoolSpec,
        status=PoolStatus,
        columns=(
            ("Driver", "string", ".spec.driver", 0),
            ("Nodes", "integer", ".status.nodes", 0),
            ("Cards", "string", ".status.cards.summary", 0),
            ("Streams", "integer", ".status.streams.used", 0),
            ("Capacity", "integer", ".status.streams.capacity", 0),
            ("Bitstream", "string", ".status.bitstream.current", 0),
            ("Target", "string", ".status.bitstream.target", 1),
            _READY,
            _REASON,
            _MESSAGE,
            _AGE,
        ),
        rules=(_POOL_NAME,),
    ),
    Kind(
        name=NODE_KIND,
        plural=NODE_PLURAL,
        short=("acn",),
        scope="Cluster",
        whole=AsrCardNode,
        spec=NodeSpec,
        status=NodeStatus,
        columns=(
            ("Pool", "string", ".spec.poolRef.name", 0),
            ("Cards", "string", ".status.summary", 0),
            ("Bitstream", "string", ".status.bitstream.current", 0),
            ("Rollout", "string", ".spec.rollout.state", 0),
            ("Since", "date", ".spec.rollout.since", 0),
            ("Flash", "string", ".spec.flash", 1),
            ("Why", "string", ".spec.flashReason", 1),
            ("GPU", "string", ".status.cards[0].gpu.product", 1),
            _READY,
            _REASON,
            _MESSAGE,
            _AGE,
        ),
        rules=(_NODE_NAME,),
    ),
    Kind(
        name=MODEL_KIND,
        plural=MODEL_PLURAL,
        short=("asrm",),
        scope="Namespaced",
        whole=AsrModel,
        spec=ModelSpec,
        status=ModelStatus,
        columns=(
            ("Model", "string", ".spec.model.name", 0),
            ("Version", "string", ".spec.model.version", 1),
            ("Pool", "string", ".spec.poolRef.name", 0),
            ("Replicas", "integer", ".spec.replicas", 0),
            ("Up", "integer", ".status.readyReplicas", 0),
            ("Streams", "integer", ".status.activeStreams", 0),
            ("Capacity", "integer", ".status.streamCapacity", 0),
            _READY,
            _REASON,
            ("URL", "string", ".status.url", 1),
            _MESSAGE,
            _AGE,
        ),
        rules=(_MODEL_NAME,),
        scale={
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        },
    ),
)


def manifest(kind: Kind) -> JsonObject:
    """The CustomResourceDefinition of one kind."""
    subresources: JsonObject = {"status": {}}
    if kind.scale:
        subresources["scale"] = kind.scale
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": kind.scope,
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": list(kind.short),
                "categories": ["gharial"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": _root_schema(kind)},
                    "subresources": subresources,
                    "additionalPrinterColumns": [_column(column) for column in kind.columns],
                }
            ],
        },
    }


def _root_schema(kind: Kind) -> JsonObject:
    """Schema of the whole object; the API server knows apiVersion, kind and metadata by itself."""
    schema: JsonObject = {
        "type": "object",
        "description": structural_schema(kind.whole)["description"],
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": "Version of this schema."},
            "kind": {"type": "string", "description": f"Always {kind.name}."},
            "metadata": {"type": "object"},
            "spec": structural_schema(kind.spec),
            "status": without_defaults(structural_schema(kind.status)),
        },
    }
    if kind.rules:
        schema["x-kubernetes-validations"] = list(kind.rules)
    return schema


def _column(column: Column) -> JsonObject:
    name, kind, path, priority = column
    entry: JsonObject = {"name": name, "type": kind, "jsonPath": path}
    return {**entry, "priority": priority} if priority else entry


def files() -> dict[str, str]:
    """File name -> YAML text of every CustomResourceDefinition."""
    head = "# Made from operator/gharial_api by `make crds`. Do not edit.\n"
    return {
        f"{kind.plural}.yaml": head + yaml.safe_dump(manifest(kind), sort_keys=False, width=120, allow_unicode=True)
        for kind in KINDS
    }


def main(folder: str) -> None:
    """Writes every definition into a folder."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (target / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "crds")
