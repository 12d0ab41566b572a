"""Where the pods of an addon run: replicas that one node can take down together are no replicas."""


def spread(labels: dict[str, str]) -> dict[str, object]:
    """A constraint that shares pods with these labels out over the nodes; a node too few leaves one waiting."""
    return {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        # Revisions count each for themselves, or a rolling update could wait for the pods that it replaces.
        "matchLabelKeys": ["pod-template-hash"],
        "labelSelector": {"matchLabels": labels},
    }
