"""Which pool owns a node: the oldest one that selects it."""

from dataclasses import dataclass

from gharial_api import AsrCardPool

from gharial_operator.facts import NodeFacts, PoolFacts, selects


@dataclass(frozen=True)
class Claims:
    """The pool's nodes, and those that another pool keeps."""

    owned: tuple[NodeFacts, ...]
    refused: tuple[tuple[NodeFacts, str], ...]


def claim_nodes(facts: PoolFacts) -> Claims:
    """Splits the nodes that the pool selects into its own and those of older pools.

    A node whose AsrCardNode still belongs to another pool is refused until that pool has let go of it, so that two
    pools never write the same object.
    """
    held = {node.metadata.name: node.spec.pool_ref.name for node in facts.card_nodes}
    owned, refused = [], []
    for node in facts.nodes:
        rival = _older_rival(facts, node)
        holder = held.get(node.name, facts.pool.metadata.name)
        if rival is None and holder != facts.pool.metadata.name:
            rival = holder
        if rival is None:
            owned.append(node)
        else:
            refused.append((node, rival))
    return Claims(tuple(owned), tuple(refused))


def _older_rival(facts: PoolFacts, node: NodeFacts) -> str | None:
    """Name of the oldest other pool that selects the node and is older than this one."""
    older = [pool for pool in facts.other_pools if selects(pool, node) and _age(pool) < _age(facts.pool)]
    return min(older, key=_age).metadata.name if older else None


def _age(pool: AsrCardPool) -> tuple[str, str]:
    """Sorts pools by age; two of the same second by name."""
    return pool.metadata.creation_timestamp, pool.metadata.name
