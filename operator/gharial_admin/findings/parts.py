"""The installation itself: definitions, DeviceClass, operator, agents, versions."""

from collections.abc import Iterator
from datetime import datetime

from gharial_api import names
from gharial_api.base import JsonObject
from gharial_api.crd import KINDS, Kind, manifest
from gharial_api.words import count
from gharial_api.words import names as named

from gharial_admin.findings import pods
from gharial_admin.findings.finding import Code, Finding, error, warning
from gharial_admin.findings.rollout import switching
from gharial_admin.looking.sights import DEFINITIONS
from gharial_admin.looking.snapshot import MANAGED, Snapshot, labels_of, moment, name_of, namespace_of, seconds_since

#: A Lease that was not renewed for so long, in seconds, has no holder that lives.
LEASE_SECONDS = 60.0
#: An operator that runs has looked at every change after so many seconds.
BEHIND_SECONDS = 60.0
_INSTALL = "helm upgrade --install gharial charts/gharial --namespace gharial-system --create-namespace"


def parts(seen: Snapshot) -> Iterator[Finding]:
    """What Gharial is made of."""
    if not seen.installed:
        yield error(
            Code.NOT_INSTALLED,
            "cluster",
            "Nothing of Gharial is in this cluster.",
            f"Install it: {_INSTALL} (see README.md).",
        )
        return
    yield from _definitions(seen)
    yield from _unreadable(seen)
    yield from _device_class(seen)
    yield from _operator(seen)
    yield from _behind(seen)
    yield from _agents(seen)
    yield from _versions(seen)


def _definitions(seen: Snapshot) -> Iterator[Finding]:
    if not seen.saw("customresourcedefinitions"):
        return
    live = seen.named("customresourcedefinitions")
    missing = [name for name in DEFINITIONS if name not in live]
    if missing:
        yield error(
            Code.DEFINITIONS_MISSING,
            "cluster",
            f"The definition of {named(missing)} is missing: objects of that kind cannot exist.",
            f"Bring it back: {_INSTALL} (or kubectl apply --server-side -f crds/).",
        )
    other = [kind for kind in KINDS if _schema(live.get(f"{kind.plural}.{names.GROUP}")) not in (None, _wanted(kind))]
    if other:
        yield warning(
            Code.DEFINITIONS_DIFFER,
            "cluster",
            f"The definition of {named(kind.plural for kind in other)} is of another version than this gharial: fields "
            "may be missing here or there.",
            "Upgrade what is older: the installation (helm upgrade) or this command (pip install --upgrade gharial).",
        )


def _schema(live: JsonObject | None) -> JsonObject | None:
    versions = ((live or {}).get("spec") or {}).get("versions") or []
    return next((each["schema"]["openAPIV3Schema"] for each in versions if each["name"] == names.VERSION), None)


def _wanted(kind: Kind) -> JsonObject:
    schema: JsonObject = manifest(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def _unreadable(seen: Snapshot) -> Iterator[Finding]:
    readable = {
        names.POOL_PLURAL: {pool.metadata.name for pool in seen.pools},
        names.NODE_PLURAL: {node.metadata.name for node in seen.card_nodes},
        names.MODEL_PLURAL: {model.metadata.name for model in seen.models},
    }
    for plural, good in readable.items():
        for each in seen.all(plural):
            if name_of(each) not in good:
                yield warning(
                    Code.OBJECT_UNREADABLE,
                    f"{plural} {name_of(each)}",
                    "This version of gharial cannot read it; it is left out of everything below.",
                    "Use the gharial of the installation's version.",
                )


def _device_class(seen: Snapshot) -> Iterator[Finding]:
    needed = any(pool.spec.driver in MANAGED for pool in seen.pools)
    if seen.saw("deviceclasses") and not seen.all("deviceclasses") and needed:
        yield error(
            Code.DEVICE_CLASS_MISSING,
            f"deviceclass {names.DEVICE_CLASS}",
            "It is gone: no new pod can get a card. Pods that run keep theirs.",
            f"Bring it back: {_INSTALL}",
        )


def _operator(seen: Snapshot) -> Iterator[Finding]:
    if not seen.saw("deployments"):
        return
    found = [each for each in seen.all("deployments") if _component(each) == "operator"]
    if not found:
        yield error(
            Code.OPERATOR_MISSING,
            "operator",
            "There is no Deployment of the operator: nothing changes any more. Running streams go on.",
            f"Install it: {_INSTALL}",
        )
        return
    wanted = int((found[0].get("spec") or {}).get("replicas") or 0)
    ready = int((found[0].get("status") or {}).get("readyReplicas") or 0)
    broken = [said for pod in pods.of_component(seen, "operator") if (said := _why_not(pod))]
    where = namespace_of(found[0])
    if wanted == 0:
        yield error(
            Code.OPERATOR_DOWN,
            "operator",
            "The operator is scaled to 0: nothing changes any more. Running streams go on.",
            f"kubectl -n {where} scale deployment {name_of(found[0])} --replicas=2",
        )
    elif ready == 0:
        words, remedy = broken[0] if broken else ("", f"See: kubectl -n {where} describe pods")
        text = (
            f"None of its {count(wanted, 'replica')} is ready: nothing changes any more. Running streams go on. {words}"
        )
        yield error(Code.OPERATOR_DOWN, "operator", text.strip(), remedy)
    else:
        for words, remedy in broken:
            yield warning(Code.POD_FAILING, "operator", f"{words} Another replica does the work.", remedy)
        yield from _lease(seen, where)


def _lease(seen: Snapshot, where: str) -> Iterator[Finding]:
    leases = [each for each in seen.all("leases") if name_of(each) == names.OPERATOR_MANAGER]
    if not any(namespace_of(each) == where for each in leases):
        return
    spec = leases[0].get("spec") or {}
    silent = seconds_since(spec.get("renewTime"), seen.now)
    if not spec.get("holderIdentity") or silent > LEASE_SECONDS:
        yield error(
            Code.OPERATOR_NOT_LEADING,
            "operator",
            f"Its replicas are ready, but none leads: Lease {where}/{names.OPERATOR_MANAGER} was last renewed "
            f"{int(silent)} s ago.",
            f"See: kubectl -n {where} logs deployment/gharial-operator. A restart of it harms no stream.",
            moment(spec.get("renewTime")),
        )


def _behind(seen: Snapshot) -> Iterator[Finding]:
    """Changes that the operator has not looked at. When it is known to be down, that says it all."""
    if any(found.severity == "error" for found in _operator(seen)):
        return
    for plural in (names.POOL_PLURAL, names.MODEL_PLURAL):
        for each in seen.all(plural):
            looked = int((each.get("status") or {}).get("observedGeneration") or 0)
            changed = changed_at(each)
            late = changed is not None and (seen.now - changed).total_seconds() > BEHIND_SECONDS
            if looked < int(each["metadata"].get("generation") or 0) and late:
                yield error(
                    Code.OPERATOR_BEHIND,
                    f"{plural.removesuffix('s')} {name_of(each)}",
                    "The operator has not looked at its last change.",
                    "See its log: kubectl -n gharial-system logs deployment/gharial-operator. A restart of it harms no "
                    "stream.",
                    changed,
                )


def changed_at(found: JsonObject) -> datetime | None:
    """When somebody last wrote the object itself, not its status."""
    entries = found["metadata"].get("managedFields") or []
    times = [moment(each.get("time")) for each in entries if not each.get("subresource")]
    return max((each for each in times if each), default=None)


def _agents(seen: Snapshot) -> Iterator[Finding]:
    if not seen.saw("pods") or not seen.saw("daemonsets"):
        return
    agents = pods.agents(seen)
    down: dict[tuple[str, str], list[str]] = {}
    alive = {name_of(node) for node in seen.all("nodes")}
    for node in seen.card_nodes:
        name = node.spec.node_name
        gone = seen.saw("nodes") and name not in alive
        if gone or switching(node) or node.spec.driver not in MANAGED:
            continue
        pod = agents.get(name)
        if pod is None:
            down.setdefault(("", ""), []).append(name)
        elif not pods.ready(pod):
            down.setdefault(_why_not(pod) or ("Its pod is there, but not ready.", _logs(pod)), []).append(name)
    for (said, remedy), where in down.items():
        if said:
            text = f"The agent of {named(where)} does not run: cards there are not watched and not flashed. {said}"
        else:
            text = f"There is no agent on {named(where)}: cards there are not watched, flashed or offered."
            remedy = (
                "Does the chart's agent.nodeSelector match the node, and agent.tolerations its taints? "
                "See: kubectl -n gharial-system get daemonset,pods -o wide"
            )
        yield error(Code.AGENT_MISSING, f"agent on {named(where)}", text, remedy)


def _why_not(pod: JsonObject) -> tuple[str, str] | None:
    found = pods.trouble(pod)
    if found is None and (said := pods.unscheduled(pod)):
        return (
            f"{pods.label(pod)} has no node: {said}",
            f"See: kubectl -n {namespace_of(pod)} describe pod {name_of(pod)}",
        )
    return found


def _logs(pod: JsonObject) -> str:
    return f"See: kubectl -n {namespace_of(pod)} logs {name_of(pod)}"


def _component(found: JsonObject) -> str:
    return labels_of(found).get("app.kubernetes.io/component", "")


def _versions(seen: Snapshot) -> Iterator[Finding]:
    versions: dict[str, set[str]] = {}
    for plural in ("deployments", "daemonsets"):
        for each in seen.all(plural):
            version = labels_of(each).get("app.kubernetes.io/version")
            if version:
                versions.setdefault(version, set()).add(_component(each) or name_of(each))
    if len(versions) > 1:
        said = ", ".join(f"{named(sorted(who))} {version}" for version, who in sorted(versions.items()))
        yield warning(
            Code.VERSIONS_DIFFER,
            "installation",
            f"Its parts are of different versions: {said}.",
            f"Finish the upgrade: {_INSTALL}",
        )
