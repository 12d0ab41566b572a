"""Envoy Gateway: its controller from its own chart, and the GatewayClass `gharial` for everybody's gateways."""

import json

from gharial_cluster.addons.placement import spread
from gharial_cluster.binaries.recipes import ENVOY_GATEWAY_VERSION, ENVOY_VERSION

# One image holds envoy and envoy-gateway: the controller, the proxies and their shutdown managers all run from it.
IMAGE = f"gharial.local/envoy:{ENVOY_VERSION}-{ENVOY_GATEWAY_VERSION}"
NAMESPACE = "envoy-gateway-system"
RELEASE = "envoy-gateway"
CONTROLLER = "gateway.envoyproxy.io/gatewayclass-controller"


def chart_values() -> dict[str, object]:
    """Values for the chart: everything from the local image; Backend and EnvoyPatchPolicy are switched on."""
    return {
        "global": {"images": {"envoyGateway": {"image": IMAGE, "pullPolicy": "IfNotPresent"},
                              "ratelimit": {"image": IMAGE, "pullPolicy": "IfNotPresent"}}},
        "topologyInjector": {"enabled": False},
        "deployment": {
            "replicas": 2,
            "envoyGateway": {"resources": {"requests": {"cpu": "20m", "memory": "128Mi"}}},
            "pod": {"topologySpreadConstraints": [spread({"control-plane": "envoy-gateway"})]},
        },
        "podDisruptionBudget": {"maxUnavailable": 1},
        "config": {
            "envoyGateway": {
                "gateway": {"controllerName": CONTROLLER},
                "provider": {
                    "type": "Kubernetes",
                    "kubernetes": {"shutdownManager": {"image": IMAGE}},
                },
                "extensionApis": {"enableBackend": True, "enableEnvoyPatchPolicy": True},
            }
        },
    }  # fmt: skip


def gateway_class() -> str:
    """The GatewayClass and the EnvoyProxy behind it: local image, reached through node ports."""
    container = {"image": IMAGE, "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}}}
    proxy = {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "EnvoyProxy",
        "metadata": {"name": "gharial", "namespace": NAMESPACE},
        "spec": {
            "provider": {
                "type": "Kubernetes",
                "kubernetes": {
                    "envoyDeployment": {"container": container},
                    "envoyService": {"type": "NodePort", "externalTrafficPolicy": "Cluster"},
                },
            }
        },
    }
    gateway = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GatewayClass",
        "metadata": {"name": "gharial"},
        "spec": {
            "controllerName": CONTROLLER,
            "parametersRef": {
                "group": "gateway.envoyproxy.io",
                "kind": "EnvoyProxy",
                "name": "gharial",
                "namespace": NAMESPACE,
            },
        },
    }
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [proxy, gateway]})
