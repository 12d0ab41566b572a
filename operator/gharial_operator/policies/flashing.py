"""Which nodes may flash their cards now.

A node may when its cards serve no stream, when no more nodes are down than the upgrade policy allows, when enough
streams remain elsewhere, and when neither an admin, a canary, a failure's pause nor the circuit breaker says otherwise.
Nodes that are down for other reasons count. A permission once given stays until the node is done, unless the admin
pauses before the node has begun; a write that has begun is never revoked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from gharial_api import AsrCardPool
from gharial_api.conditions import Reason

from gharial_operator.policies.cards import Stage, failed, streams_used, usable_streams
from gharial_operator.policies.rollout import NodeView, Rollout, allowed_now, attempts, given_up, is_down
from gharial_operator.policies.words import count, names


@dataclass(frozen=True)
class Permission:
    """What a node's agent is told."""

    flash: Literal["Allowed", "Hold"]
    reason: Reason
    message: str


def permissions(
    pool: AsrCardPool, views: Sequence[NodeView], now: datetime
) -> tuple[dict[str, Permission], float | None]:
    """Permission of every node, and after how many seconds time alone may change one."""
    rollout = Rollout(pool, views, now)
    rollout.down = {view.name for view in views if is_down(rollout, view)}
    order = sorted(views, key=lambda view: (not allowed_now(view), view.name))
    result = {}
    for view in order:
        permission = _judge(rollout, view)
        if permission.flash == "Allowed":
            rollout.down.add(view.name)
            rollout.granted.add(view.name)
        result[view.name] = permission
    return result, rollout.recheck


def breaker_open(pool: AsrCardPool, views: Sequence[NodeView], now: datetime) -> list[str]:
    """Names of broken nodes, when they are more than the pool's health limit; none otherwise."""
    rollout = Rollout(pool, views, now)
    bad = [view.name for view in views if given_up(rollout, view)]
    limit = pool.spec.health.max_unhealthy_percent
    return bad if len(bad) * 100 > limit * len(views) else []


def _judge(rollout: Rollout, view: NodeView) -> Permission:
    """The first rule that has something to say decides."""
    for rule in (
        _finished,
        _under_way,
        _absent,
        _stopped,
        _after_failure,
        _serving,
        _canary,
        _within_budget,
        _enough_left,
    ):
        permission = rule(rollout, view)
        if permission is not None:
            return permission
    return Permission("Allowed", Reason.FLASH_ALLOWED, f"Cards of {view.name} may be flashed to {rollout.target}.")


def _hold(reason: Reason, message: str) -> Permission:
    return Permission("Hold", reason, message)


def _finished(rollout: Rollout, view: NodeView) -> Permission | None:
    if rollout.target is None:
        return _hold(Reason.AS_EXPECTED, "The pool names no bitstream: cards keep the one they have.")
    if rollout.stage(view) is Stage.DONE:
        return _hold(Reason.AS_EXPECTED, f"Every card runs bitstream {rollout.target}.")
    return None


def _under_way(rollout: Rollout, view: NodeView) -> Permission | None:
    if rollout.stage(view) is not Stage.BUSY:
        return None
    flash: Literal["Allowed", "Hold"] = "Allowed" if allowed_now(view) else "Hold"
    return Permission(flash, Reason.FLASHING, "Cards are being flashed or checked; what has begun is finished.")


def _absent(rollout: Rollout, view: NodeView) -> Permission | None:
    if not view.node.ready:
        return _hold(Reason.NODE_NOT_READY, f"{view.name} is not ready; the other nodes go on.")
    if view.node.cordoned:
        return _hold(
            Reason.NODE_CORDONED_BY_ADMIN,
            f"{view.name} was cordoned by an admin and is left alone. Give it back with: kubectl uncordon {view.name}",
        )
    if rollout.stage(view) is Stage.UNREPORTED:
        return _hold(Reason.AGENT_NOT_REPORTING, f"The agent of {view.name} has not reported its cards yet.")
    return None


def _stopped(rollout: Rollout, view: NodeView) -> Permission | None:
    if rollout.pool.spec.upgrade_policy.paused:
        return _hold(Reason.PAUSED_BY_ADMIN, "spec.upgradePolicy.paused is true; set it to false to go on.")
    bad = breaker_open(rollout.pool, rollout.views, rollout.now)
    if bad:
        return _hold(Reason.CIRCUIT_BREAKER_OPEN, breaker_message(rollout.pool, bad, len(rollout.views)))
    return None


def _after_failure(rollout: Rollout, view: NodeView) -> Permission | None:
    if rollout.stage(view) is not Stage.FAILED or view.card_node is None:
        return None
    if given_up(rollout, view):
        return _hold(
            Reason.FLASH_FAILED,
            f"Flashing {view.name} failed {count(attempts(rollout, view), 'time')}; "
            "mend the cause, then raise spec.upgradePolicy.retries to try again.",
        )
    policy = rollout.pool.spec.upgrade_policy
    pause = policy.backoff_seconds * 2 ** max(0, attempts(rollout, view) - 1)
    ended = max(c.last_flash.time for c in view.card_node.status.cards if c.last_flash and failed(c, rollout.target))
    again = ended + timedelta(seconds=pause)
    if again <= rollout.now:
        return None
    rollout.look_again(again)
    return _hold(Reason.BACKING_OFF, f"A flash on {view.name} failed; it is tried again at {again:%H:%M:%S} UTC.")


def _serving(rollout: Rollout, view: NodeView) -> Permission | None:
    if view.card_node is None or streams_used(view.card_node) == 0:
        return None
    # A number here would change the AsrCardNode with every stream that comes or goes; its status tells it.
    return _hold(Reason.WAITING_FOR_STREAMS, f"{view.name} serves streams; flashing waits until they end.")


def _canary(rollout: Rollout, view: NodeView) -> Permission | None:
    canary = rollout.pool.spec.upgrade_policy.canary
    if canary is None:
        return None
    done = [other for other in rollout.views if rollout.stage(other) is Stage.DONE]
    begun = [o for o in rollout.views if rollout.stage(o) in {Stage.BUSY, Stage.FAILED} or o.name in rollout.granted]
    first = {other.name for other in done + begun if other.name != view.name}
    if len(first) < canary.nodes:
        return None
    if len(done) < canary.nodes:
        return _hold(Reason.CANARY_SOAKING, f"Waiting for the canary: {names(sorted(first))}.")
    flashed = [c.last_flash.time for o in done if o.card_node for c in o.card_node.status.cards if c.last_flash]
    if not flashed:
        return None
    over = sorted(flashed)[: canary.nodes][-1] + timedelta(seconds=canary.soak_seconds)
    if over <= rollout.now:
        return None
    rollout.look_again(over)
    return _hold(
        Reason.CANARY_SOAKING,
        f"The canary ({names(sorted(o.name for o in done))}) is watched until {over:%H:%M:%S} UTC.",
    )


def _within_budget(rollout: Rollout, view: NodeView) -> Permission | None:
    others = sorted(rollout.down - {view.name})
    if view.name in rollout.down and allowed_now(view):
        return None
    if len(others) < rollout.budget:
        return None
    return _hold(
        Reason.WAITING_FOR_BUDGET,
        f"maxUnavailable allows {count(rollout.budget, 'node')} to be down, and {names(others)} already "
        f"{'is' if len(others) == 1 else 'are'}.",
    )


def _enough_left(rollout: Rollout, view: NodeView) -> Permission | None:
    least = rollout.pool.spec.upgrade_policy.min_available_streams
    own = usable_streams(view.card_node) if view.card_node else 0
    left = sum(
        usable_streams(o.card_node) for o in rollout.views if o.card_node and o.name not in rollout.down | {view.name}
    )
    if own == 0 or left >= least:
        return None
    return _hold(
        Reason.MIN_AVAILABLE_STREAMS,
        f"Without {view.name} the pool carries {count(left, 'stream')}, fewer than minAvailableStreams ({least}).",
    )


def breaker_message(pool: AsrCardPool, bad: Sequence[str], total: int) -> str:
    """Sentence of an open circuit breaker."""
    return (
        f"{len(bad)} of {count(total, 'node')} ({names(bad)}) broken, more than maxUnhealthyPercent "
        f"({pool.spec.health.max_unhealthy_percent} %): no further node is flashed. "
        "Mend the cause and raise spec.upgradePolicy.retries to try them again, or take the nodes out of the pool."
    )
