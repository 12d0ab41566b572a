"""What nodes have beside cards of ours: what their pods hold, and the GPUs that NVIDIA's DRA driver publishes."""

from collections import defaultdict
from decimal import Decimal

from gharial_api import names
from gharial_api.base import JsonObject
from gharial_api.gpu import DRA_DRIVER

from gharial_operator import kinds
from gharial_operator.api_client import ApiClient
from gharial_operator.facts import GpuDevice, Held
from gharial_operator.quantity import parse_quantity

#: Pods that hold something: those that have a node and have not ended.
_HOLDING = "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"

Asked = dict[str, Decimal]


async def read_held(client: ApiClient, pool: str) -> dict[str, Held]:
    """What the pods of others hold on each node; the pool's own pods are left out. Pages are added up as they come."""
    sums: defaultdict[str, Asked] = defaultdict(dict)
    async for page in client.pages(kinds.POD, fields=_HOLDING):
        for pod in page:
            if pod["metadata"].get("labels", {}).get(names.POOL_LABEL) != pool:
                node = pod["spec"]["nodeName"]
                sums[node] = _added(sums[node], asked(pod["spec"]))
    return {node: _held(total) for node, total in sums.items()}


def asked(spec: JsonObject) -> Asked:
    """What a pod holds, as the scheduler counts it: containers and sidecars together, or one init container when that
    asks for more beside the sidecars before it; and its overhead."""
    together: Asked = {}
    for container in spec.get("containers", []):
        together = _added(together, _requests(container))
    sidecars: Asked = {}
    peak: Asked = {}
    for container in spec.get("initContainers", []):
        if container.get("restartPolicy") == "Always":
            sidecars = _added(sidecars, _requests(container))
            peak = _larger(peak, sidecars)
        else:
            peak = _larger(peak, _added(sidecars, _requests(container)))
    whole = _larger(_added(together, sidecars), peak) | _requests(spec)
    return _added(whole, {name: parse_quantity(n) for name, n in spec.get("overhead", {}).items()})


def _requests(owner: JsonObject) -> Asked:
    requests = owner.get("resources", {}).get("requests", {})
    return {name: parse_quantity(n) for name, n in requests.items()}


def _added(one: Asked, other: Asked) -> Asked:
    return {name: one.get(name, Decimal(0)) + other.get(name, Decimal(0)) for name in one.keys() | other.keys()}


def _larger(one: Asked, other: Asked) -> Asked:
    return {name: max(one.get(name, Decimal(0)), other.get(name, Decimal(0))) for name in one.keys() | other.keys()}


def _held(total: Asked) -> Held:
    return Held(
        cpu_cores=float(total.get("cpu", 0)),
        memory_bytes=int(total.get("memory", 0)),
        gpus={name: int(n) for name, n in total.items() if name.startswith("nvidia.com/")},
    )


async def read_gpu_devices(client: ApiClient) -> tuple[GpuDevice, ...]:
    """What NVIDIA's DRA driver publishes; nothing where it is not installed."""
    found = []
    async for page in client.pages(kinds.RESOURCE_SLICE, fields=f"spec.driver={DRA_DRIVER}"):
        for item in page:
            spec = item["spec"]
            found += [gpu_device(spec.get("nodeName", ""), device) for device in spec.get("devices") or []]
    return tuple(found)


def gpu_device(node: str, device: JsonObject) -> GpuDevice:
    """A device of a ResourceSlice."""
    attributes, capacity = device.get("attributes", {}), device.get("capacity", {})

    def text(name: str) -> str:
        return str(attributes.get(name, {}).get("string", ""))

    hard = [taint["key"] for taint in device.get("taints") or [] if taint["effect"] in {"NoSchedule", "NoExecute"}]
    return GpuDevice(
        node=node,
        uuid=text("uuid"),
        kind=text("type"),
        product=text("productName"),
        memory_bytes=int(parse_quantity(capacity.get("memory", {}).get("value", "0"))),
        parent=text("parentUUID"),
        taint=hard[0] if hard else "",
    )
