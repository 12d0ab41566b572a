"""Envoy Gateway's BackendTrafficPolicy for a model's route: a full pod's refusal is tried on another pod."""

from gharial_api import AsrModel
from gharial_api.base import JsonObject

from gharial_operator.kinds import HTTP_ROUTE, TRAFFIC_POLICY
from gharial_operator.specs.common import child


def build_traffic_policy(model: AsrModel) -> JsonObject:
    """Retries before the upgrade, no panic mode, no time limit on a live stream."""
    plenty = 10_000
    spec = {
        "targetRefs": [{"group": HTTP_ROUTE.group, "kind": HTTP_ROUTE.kind, "name": model.metadata.name}],
        "retry": {
            "numRetries": 2,
            "perRetry": {"backOff": {"baseInterval": "10ms", "maxInterval": "50ms"}},
            "retryOn": {
                "triggers": ["connect-failure", "refused-stream", "reset-before-request", "retriable-status-codes"],
                "httpStatusCodes": [503],
            },
        },
        "loadBalancer": {"type": "LeastRequest", "slowStart": {"window": "10s"}},
        # Without this, Envoy sends streams to pods that are not ready when most are not.
        "healthCheck": {"panicThreshold": 0},
        # Thresholds that are left out mean 1024, which a busy fleet exceeds.
        "circuitBreaker": {
            "maxConnections": plenty,
            "maxPendingRequests": plenty,
            "maxParallelRequests": plenty,
            "maxParallelRetries": 1000,
        },
        "timeout": {
            "tcp": {"connectTimeout": "1s"},
            "http": {"requestTimeout": "0s", "maxStreamDuration": "0s", "streamIdleTimeout": "1h"},
        },
        "tcpKeepalive": {"probes": 3, "idleTime": "30s", "interval": "10s"},
    }
    return child(TRAFFIC_POLICY, model, spec=spec)
