"""The conditions of a model: ordered checks, each with a sentence."""

from dataclasses import dataclass

from gharial_api.conditions import Reason
from gharial_api.words import count, names

from gharial_operator.facts import ModelFacts, PodFacts
from gharial_operator.kinds import HTTP_ROUTE
from gharial_operator.policies.last_words import LONGEST, last_words
from gharial_operator.policies.verdict import Verdict, first, no, yes


@dataclass(frozen=True)
class ModelView:
    """Facts of a model with what was worked out from them."""

    facts: ModelFacts
    capacity: int | None
    url: str

    @property
    def replicas(self) -> int:
        """Pods wanted."""
        return self.facts.model.spec.replicas

    @property
    def live_pods(self) -> list[PodFacts]:
        """Pods that are not on their way out."""
        return [pod for pod in self.facts.pods if not pod.terminating]

    @property
    def ready_pods(self) -> list[PodFacts]:
        """Pods that take new streams."""
        return [pod for pod in self.live_pods if pod.ready]

    @property
    def short(self) -> bool:
        """Whether fewer pods are ready than wanted."""
        return len(self.ready_pods) < self.replicas


def ready(view: ModelView) -> Verdict:
    """Verdict for Ready: every pod takes streams, and the route leads to them."""
    checks = (_deleting, _no_pool, _no_capacity, _zero, _failing_pod, _no_cards, _starting, _not_routed)
    pods, facts = len(view.ready_pods), view.facts
    source = facts.model.spec.model
    capacity = sum(s.capacity for s in facts.streams.values()) or pods * (view.capacity or 0)
    used = sum(s.active for s in facts.streams.values())
    well = (
        f"{count(pods, 'pod')} {'serves' if pods == 1 else 'serve'} {source.name} version {source.version} "
        f"at {view.url}: {count(capacity, 'stream')}, {used} in use."
    )
    return first(view, checks, yes(Reason.PODS_READY, well))


def _deleting(view: ModelView) -> Verdict | None:
    if view.facts.model.metadata.deletion_timestamp is None:
        return None
    left = len(view.facts.pods)
    return no(Reason.DELETING, f"The route is closed; {count(left, 'pod')} left to drain.")


def _no_pool(view: ModelView) -> Verdict | None:
    if view.facts.pool is not None:
        return None
    name = view.facts.model.spec.pool_ref.name
    return no(
        Reason.POOL_NOT_FOUND,
        f"spec.poolRef names AsrCardPool {name}, which does not exist. See: kubectl get asrcardpools",
    )


def _no_capacity(view: ModelView) -> Verdict | None:
    if view.capacity is not None or view.facts.pool is None:
        return None
    spec = view.facts.model.spec
    return no(
        Reason.CAPACITY_UNKNOWN,
        f"Nobody knows how many streams a card of driver {view.facts.pool.spec.driver} carries for architecture "
        f"{spec.model.architecture} with decoder {spec.decoding.decoder}: add an entry to spec.capacity of AsrCardPool "
        f"{spec.pool_ref.name}.",
    )


def _zero(view: ModelView) -> Verdict | None:
    return None if view.replicas else no(Reason.SCALED_TO_ZERO, "spec.replicas is 0: no stream is served.")


#: The kubelet's words for a container that will not start by waiting.
_STUCK = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError"})


def _failing_pod(view: ModelView) -> Verdict | None:
    """The newest pod that fails speaks for the others."""
    if not view.short:
        return None
    for pod in reversed(view.live_pods):
        if pod.ready:
            continue
        if pod.waiting in _STUCK:
            return no(Reason.POD_FAILING, f"Pod {pod.name}: {pod.waiting}: {pod.waiting_message[:LONGEST]}")
        if pod.last_words:
            reason, said = last_words(pod.last_words)
            return no(reason, f"Pod {pod.name}, started again {count(pod.restarts, 'time')}: {said}")
    return None


def _no_cards(view: ModelView) -> Verdict | None:
    verdict = capacity_available(view)
    return verdict if view.short and verdict.status == "False" else None


def _starting(view: ModelView) -> Verdict | None:
    if not view.short:
        return None
    head = f"{len(view.ready_pods)} of {count(view.replicas, 'pod')} ready."
    draining = sum(pod.terminating for pod in view.facts.pods)
    if draining:
        head += f" {count(draining, 'pod')} on the way out still finish streams and hold their cards."
    nowhere = [pod.unschedulable for pod in view.live_pods if pod.unschedulable]
    if nowhere:
        return no(Reason.PODS_STARTING, f"{head} The scheduler says: {nowhere[0][:LONGEST]}")
    warming = [pod.name for pod in view.live_pods if not pod.ready]
    return no(
        Reason.PODS_STARTING, f"{head} Starting: {names(warming)}." if warming else f"{head} Pods are being made."
    )


def _not_routed(view: ModelView) -> Verdict | None:
    verdict = route_accepted(view)
    return None if verdict.status == "True" else no(verdict.reason, verdict.message)


def capacity_available(view: ModelView) -> Verdict:
    """Verdict for CapacityAvailable: are there cards for all replicas?"""
    if view.facts.pool is None:
        return _no_pool(view) or no(Reason.POOL_NOT_FOUND, "")
    placed = sum(pod.scheduled for pod in view.live_pods)
    offer, taken = view.facts.offer, view.facts.taken
    if placed >= view.replicas or offer.usable >= view.replicas + taken:
        # How many are left over is the pool's to say: a thousand models would say it anew for each card that changes.
        return yes(Reason.CARDS_AVAILABLE, f"The pool has cards for {count(view.replicas, 'pod')}.")
    others = f", of which other models want {taken}" if taken else ""
    why = f" {offer.why}" if offer.why else " Add cards, or lower spec.replicas."
    return no(
        Reason.INSUFFICIENT_CARDS,
        f"{count(view.replicas, 'pod')} wanted, but pool {view.facts.pool.metadata.name} has {offer.usable} usable of "
        f"{count(offer.total, 'card')}{others}.{why}",
    )


def route_accepted(view: ModelView) -> Verdict:
    """Verdict for RouteAccepted, in the gateway's words."""
    facts = view.facts
    ref = facts.model.spec.routing.gateway_ref
    if ref is None:
        return yes(Reason.AS_EXPECTED, "spec.routing.gatewayRef is not set: the model's Service is its address.")
    if HTTP_ROUTE.kind not in facts.apis:
        return no(
            Reason.GATEWAY_API_MISSING, "The cluster has no Gateway API. Install it, or remove spec.routing.gatewayRef."
        )
    gateway = f"{ref.namespace or facts.model.metadata.namespace}/{ref.name}"
    if not facts.gateway.found:
        return no(Reason.ROUTE_PENDING, f"Gateway {gateway} does not exist yet. See: kubectl get gateways -A")
    if not facts.route.judged:
        return no(Reason.ROUTE_PENDING, f"Gateway {gateway} has not judged the route yet.")
    if not facts.route.accepted:
        return no(Reason.ROUTE_REFUSED, f"Gateway {gateway} says: {facts.route.message}")
    if not facts.gateway.address:
        return no(Reason.ROUTE_PENDING, f"Gateway {gateway} has no address yet.")
    return yes(Reason.ROUTE_ACCEPTED, f"Gateway {gateway} leads streams to the model.")


def progressing(view: ModelView) -> Verdict:
    """Verdict for Progressing: are pods of an older spec left?"""
    deployment = view.facts.deployment
    if not deployment.exists:
        return no(Reason.AS_EXPECTED, "No pods are asked for yet.")
    draining = sum(pod.terminating for pod in view.facts.pods)
    if deployment.current and deployment.updated >= view.replicas and deployment.replicas <= view.replicas:
        tail = f" {count(draining, 'pod')} still finish their streams." if draining else ""
        return no(Reason.ROLLED_OUT, f"Every pod runs the current spec.{tail}")
    return yes(
        Reason.ROLLING_OUT,
        f"{deployment.updated} of {count(view.replicas, 'pod')} run the current spec, {draining} finish their streams.",
    )
