"""Nodes whose cards are only reported: nothing is flashed, nobody is cordoned, and every node is Done."""

from collections.abc import Sequence
from datetime import datetime

from gharial_api.conditions import Reason

from gharial_operator.policies.rollout.plan import NodePlan, Plan, Tell
from gharial_operator.policies.rollout.view import Desired, NodeView


def report_only(views: Sequence[NodeView], desired: Desired, now: datetime, recheck: float) -> Plan:
    """An AsrCardNode for every node, so that its agent knows what to look at. recheck: seconds until the next look."""
    plans = {view.name: _plan(view, desired, now) for view in views}
    return Plan(plans, tuple(Tell(plan) for plan in plans.values()), recheck)


def _plan(view: NodeView, desired: Desired, now: datetime) -> NodePlan:
    record = view.record
    if record.state != "Done" or record.since is None:
        record = record.model_copy(update={"state": "Done", "since": now.replace(microsecond=0)})
    return NodePlan(
        node=view.name,
        pool=desired.pool,
        flash="Hold",
        reason=Reason.AS_EXPECTED,
        message="These cards are not flashed.",
        bitstream=None,
        record=record,
    )
