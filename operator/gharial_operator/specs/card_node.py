"""The AsrCardNode of one node."""

from gharial_api import AsrCardPool, names
from gharial_api.base import JsonObject, NamedRef
from gharial_api.node import NodeSpec

from gharial_operator.kinds import CARD_NODE
from gharial_operator.policies.rollout import NodePlan
from gharial_operator.policies.rollout.standing import switching


def build_card_node(pool: AsrCardPool, plan: NodePlan) -> JsonObject:
    """What the node's agent shall do; the agent alone writes the status."""
    spec = NodeSpec(
        pool_ref=NamedRef(name=pool.metadata.name),
        node_name=plan.node,
        driver=pool.spec.driver,
        card_selector=pool.spec.card_selector,
        bitstream=plan.bitstream,
        licences=pool.spec.licences,
        flash=plan.flash,
        flash_reason=f"{plan.reason}: {plan.message}"[:512],
        power_cycle=plan.power_cycle,
        rollout=plan.record,
    )
    head = CARD_NODE.head(plan.node)
    head["metadata"] |= {
        "labels": {names.POOL_LABEL: pool.metadata.name, names.MANAGED_BY_LABEL: names.OPERATOR_MANAGER},
        "ownerReferences": [
            {
                "apiVersion": names.API_VERSION,
                "kind": names.POOL_KIND,
                "name": pool.metadata.name,
                "uid": pool.metadata.uid,
                "controller": True,
            }
        ],
    }
    if switching(plan.record):
        # Applied only now, so that it goes by itself with the first plan after the machine's power is back.
        head["metadata"]["finalizers"] = [names.POWER_FINALIZER]
    return {**head, "spec": spec.to_json()}
