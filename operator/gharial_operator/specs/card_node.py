"""The AsrCardNode of one node."""

from gharial_api import AsrCardPool, names
from gharial_api.base import JsonObject, NamedRef
from gharial_api.node import NodeSpec

from gharial_operator.kinds import CARD_NODE
from gharial_operator.policies.flashing import Permission


def build_card_node(pool: AsrCardPool, node: str, permission: Permission) -> JsonObject:
    """What the node's agent shall do; the agent alone writes the status."""
    spec = NodeSpec(
        pool_ref=NamedRef(name=pool.metadata.name),
        node_name=node,
        driver=pool.spec.driver,
        card_selector=pool.spec.card_selector,
        bitstream=pool.spec.bitstream,
        licences=pool.spec.licences,
        flash=permission.flash,
        flash_reason=f"{permission.reason}: {permission.message}"[:512],
    )
    head = CARD_NODE.head(node)
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
    return {**head, "spec": spec.to_json()}
