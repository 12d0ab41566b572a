"""Kubernetes nodes as facts."""

from gharial_api import names
from gharial_api.base import JsonObject
from gharial_api.rollout import CONTROLLER_ANNOTATION, CORDON_ANNOTATION

from gharial_operator.facts import NodeFacts
from gharial_operator.quantity import parse_quantity


def node_facts(node: JsonObject) -> NodeFacts:
    """What matters of a node."""
    meta, status = node["metadata"], node.get("status", {})
    allocatable = status.get("allocatable", {})
    return NodeFacts(
        name=meta["name"],
        labels=meta.get("labels", {}),
        ready=any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", [])),
        cordoned=bool(node.get("spec", {}).get("unschedulable", False)),
        cordon_mark=meta.get("annotations", {}).get(CORDON_ANNOTATION, ""),
        cordon_written_by_us=any(
            entry.get("manager") == names.OPERATOR_MANAGER
            and "f:unschedulable" in entry.get("fieldsV1", {}).get("f:spec", {})
            for entry in meta.get("managedFields", [])
        ),
        resource_version=meta.get("resourceVersion", ""),
        cpu_cores=float(parse_quantity(allocatable.get("cpu", "0"))),
        boot_id=status.get("nodeInfo", {}).get("bootID", ""),
        controller=meta.get("annotations", {}).get(CONTROLLER_ANNOTATION, "").strip(),
        memory_bytes=int(parse_quantity(allocatable.get("memory", "0"))),
        gpus=_of_nvidia(allocatable),
        gpu_capacity=_of_nvidia(status.get("capacity", {})),
        taints=tuple(sorted({taint["key"] for taint in node.get("spec", {}).get("taints", []) if _hard(taint)})),
    )


def _of_nvidia(resources: JsonObject) -> dict[str, int]:
    return {name: int(parse_quantity(n)) for name, n in resources.items() if name.startswith("nvidia.com/")}


def _hard(taint: JsonObject) -> bool:
    """Whether pods without a toleration stay away, for another reason than that the node is cordoned or lost."""
    return taint.get("effect") in {"NoSchedule", "NoExecute"} and not taint["key"].startswith("node.kubernetes.io/")
