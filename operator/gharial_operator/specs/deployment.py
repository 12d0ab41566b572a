"""The Deployment of a model's server pods."""

import json

from gharial_api import AsrCardPool, AsrModel, names
from gharial_api.base import JsonObject
from gharial_api.gpu import NODE_TAINT

from gharial_operator.config import OperatorConfig
from gharial_operator.kinds import DEPLOYMENT
from gharial_operator.policies.machines import MANAGED_DRIVERS
from gharial_operator.quantity import whole_cores
from gharial_operator.specs.claim_template import CARD, takes_claim
from gharial_operator.specs.common import child, labels, pod_selector

#: Any user but root; the image has no file that only its owner may read.
SERVER_UID = 65532
#: Seconds in which gateways notice that a pod is going, before it stops taking streams.
NOTICE_SECONDS = 2
#: Seconds after the drain for the server to close its log and exit.
EXIT_SECONDS = 30


def build_deployment(model: AsrModel, pool: AsrCardPool, capacity: int, config: OperatorConfig) -> JsonObject:
    """Pods of the server image, one card each.

    Args:
        model, pool: what to serve and on what.
        capacity: streams that one pod may take.
        config: names the image.
    """
    rollout = model.spec.rollout
    spec = {
        "replicas": model.spec.replicas,
        "selector": {"matchLabels": pod_selector(model)},
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": rollout.max_surge, "maxUnavailable": rollout.max_unavailable},
        },
        "template": {
            "metadata": {"labels": labels(model)},
            "spec": _pod(model, pool, capacity, config),
        },
    }
    return child(DEPLOYMENT, model, spec=spec)


def _pod(model: AsrModel, pool: AsrCardPool, capacity: int, config: OperatorConfig) -> JsonObject:
    image = config.cuda_server_image if pool.spec.driver == "cuda" else config.server_image
    pod: JsonObject = {
        "serviceAccountName": model.metadata.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "nodeSelector": dict(pool.spec.node_selector),
        "terminationGracePeriodSeconds": NOTICE_SECONDS + model.spec.rollout.drain_timeout_seconds + EXIT_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": SERVER_UID,
            "runAsGroup": SERVER_UID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": pod_selector(model)},
            }
        ],
        "initContainers": [_cache_maker(image, config)],
        "containers": [_server(model, pool, capacity, image, config)],
        "volumes": [
            {"name": "models", "hostPath": {"path": names.MODEL_CACHE, "type": "DirectoryOrCreate"}},
            {"name": "scratch", "emptyDir": {"sizeLimit": "256Mi"}},
        ],
    }
    if model.spec.tenants is not None:
        # Optional, so that a missing Secret ends in the server's own sentence instead of a pod that waits in silence.
        secret = {"secretName": model.spec.tenants.keys_secret_ref.name, "optional": True, "defaultMode": 0o444}
        pod["volumes"].append({"name": "tenants", "secret": secret})
        mount = {"name": "tenants", "mountPath": names.TENANT_KEYS, "readOnly": True}
        pod["containers"][0]["volumeMounts"].append(mount)
    if pool.spec.driver == "cuda":
        # The taint by which nodes with GPUs are kept for pods that want one.
        pod["tolerations"] = [{"key": NODE_TAINT, "operator": "Exists", "effect": "NoSchedule"}]
        if pool.spec.gpu_claim.runtime_class_name is not None:
            pod["runtimeClassName"] = pool.spec.gpu_claim.runtime_class_name
        # Of NVIDIA's driver, CUDA and the tools that say how a GPU is; image and runtime agree on nothing by default.
        pod["containers"][0]["env"].append({"name": "NVIDIA_DRIVER_CAPABILITIES", "value": "compute,utility"})
    if takes_claim(pool):
        pod["resourceClaims"] = [{"name": CARD, "resourceClaimTemplateName": model.metadata.name}]
    return pod


def _cache_maker(image: str, config: OperatorConfig) -> JsonObject:
    """Opens the node's checkpoint cache to the server's user. The kubelet makes the folder as root's; the files in it
    are named by their digest and checked by whoever reads them."""
    few = {"cpu": "50m", "memory": "32Mi"}
    return {
        "name": "cache",
        "image": image,
        "imagePullPolicy": config.image_pull_policy,
        "command": ["chmod", "1777", names.MODEL_CACHE],
        "securityContext": {
            "runAsUser": 0,
            "runAsGroup": 0,
            "runAsNonRoot": False,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": {"requests": few, "limits": few},
        "volumeMounts": [{"name": "models", "mountPath": names.MODEL_CACHE}],
    }


def _server(model: AsrModel, pool: AsrCardPool, capacity: int, image: str, config: OperatorConfig) -> JsonObject:
    health = {"path": "/healthz", "port": "http"}
    return {
        "name": "server",
        "image": image,
        "imagePullPolicy": config.image_pull_policy,
        "command": ["gharial", "serve"],
        "args": server_arguments(model, pool, capacity, config.traces),
        "ports": [
            {"name": "stream", "containerPort": names.STREAM_PORT, "protocol": "TCP"},
            {"name": "api", "containerPort": names.API_PORT, "protocol": "TCP"},
            {"name": "http", "containerPort": names.HTTP_PORT, "protocol": "TCP"},
        ],
        "env": [{"name": "HOME", "value": "/tmp"}],
        # A download of some hundred megabytes and a warm-up fit into ten minutes.
        "startupProbe": {"httpGet": health, "periodSeconds": 2, "failureThreshold": 300, "timeoutSeconds": 2},
        "livenessProbe": {"httpGet": health, "periodSeconds": 10, "failureThreshold": 6, "timeoutSeconds": 5},
        "readinessProbe": {
            "httpGet": {"path": "/readyz", "port": "http"},
            "periodSeconds": 2,
            "failureThreshold": 1,
            "timeoutSeconds": 2,
        },
        "lifecycle": {"preStop": {"sleep": {"seconds": NOTICE_SECONDS}}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": _resources(pool),
        "volumeMounts": [
            {"name": "models", "mountPath": names.MODEL_CACHE},
            {"name": "scratch", "mountPath": "/tmp"},
        ],
    }


def server_arguments(model: AsrModel, pool: AsrCardPool, capacity: int, traces: str | None) -> list[str]:
    """Options of `gharial serve` for this model on this pool."""
    checkpoint = model.spec.model.checkpoint
    words = ["--checkpoint", checkpoint.uri.removeprefix("file://"), "--sha256", checkpoint.sha256]
    # Managed cards are behind a socket; cpu and cuda are what the backends are called, too.
    backend = "card" if pool.spec.driver in MANAGED_DRIVERS else pool.spec.driver
    words += ["--cache", names.MODEL_CACHE, "--backend", backend]
    words += ["--port", str(names.STREAM_PORT), "--http-port", str(names.HTTP_PORT)]
    words += ["--api-port", str(names.API_PORT), "--capacity", str(capacity)]
    if pool.spec.driver == "cpu":
        words += ["--threads", str(whole_cores(pool.spec.pod_resources.cpu))]
    source = model.spec.model
    words += ["--name", source.name, "--version", source.version, "--language", source.language]
    if model.spec.decoding.decoder == "beam":
        words += ["--decoder", "beam"]
        if model.spec.decoding.beam_width is not None:
            words += ["--beam-width", str(model.spec.decoding.beam_width)]
    if model.spec.decoding.state_resets:
        words.append("--state-resets")
    if model.spec.decoding.keywords:
        words += ["--keywords", keyword_list(model)]
    endpointing = model.spec.decoding.endpointing
    words += ["--eos-mode", endpointing.eos_mode] if endpointing.eos_mode != "classic" else []
    if endpointing.silence_seconds is not None:
        words += ["--silence-terminate-seconds", str(endpointing.silence_seconds)]
    if model.spec.tenants is not None:
        words += ["--tenants", names.TENANT_KEYS]
        limit = model.spec.tenants.max_streams_per_pod
        words += ["--tenant-streams", str(limit)] if limit is not None else []
    words += ["--traces", traces] if traces is not None else []
    words += ["--drain-timeout", str(model.spec.rollout.drain_timeout_seconds)]
    return [*words, "--retry-after", str(model.spec.routing.retry_after_seconds)]


def keyword_list(model: AsrModel) -> str:
    """The model's keywords as `gharial serve --keywords` reads them; the order of the spec changes nothing."""
    boosts = {keyword.phrase: keyword.boost for keyword in model.spec.decoding.keywords}
    return json.dumps({"keywords": boosts}, sort_keys=True, ensure_ascii=False)


def _resources(pool: AsrCardPool) -> JsonObject:
    """Driver cpu gets whole cores of its own (guaranteed quality of service); beside a card, cores may be shared."""
    asked = {"cpu": pool.spec.pod_resources.cpu, "memory": pool.spec.pod_resources.memory}
    if pool.spec.driver == "cpu":
        return {"requests": asked, "limits": dict(asked)}
    resources: JsonObject = {"requests": asked, "limits": {"memory": asked["memory"]}}
    if takes_claim(pool):
        resources["claims"] = [{"name": CARD}]
    else:
        resources["limits"][pool.spec.gpu_claim.resource_name] = "1"
    return resources
