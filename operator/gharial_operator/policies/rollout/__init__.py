"""A pool's nodes on their way to one bitstream: (what is, what is wanted, the clock) -> actions and states."""

from gharial_operator.policies.rollout.machine import rollout
from gharial_operator.policies.rollout.plan import NodePlan, Plan
from gharial_operator.policies.rollout.view import Desired, NodeView

__all__ = ["Desired", "NodePlan", "NodeView", "Plan", "rollout"]
