"""kopf's decorators: an event only wakes what it may concern. Nothing is decided or written here."""

import kopf

from gharial_operator.handlers import children, machines, resources


def register(registry: kopf.OperatorRegistry) -> None:
    """Adds every handler to a registry."""
    for module in (resources, machines, children):
        module.register(registry)
