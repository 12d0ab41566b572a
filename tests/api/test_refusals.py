"""The API server refuses a bad object with a sentence that names the field and the remedy."""

from typing import Any

import pytest
from api_server import Api, RefusedError
from manifests import SHA, changed, model, pool

POOLS = "/apis/asr.gharial.dev/v1alpha1/asrcardpools"
MODELS = "/apis/asr.gharial.dev/v1alpha1/namespaces/default/asrmodels"
NODES = "/apis/asr.gharial.dev/v1alpha1/asrcardnodes"
DRY = "?dryRun=All&fieldValidation=Strict"

URL = "https://example.com/card.bit"
TWO_SOURCES = {"version": "1.2.0", "url": URL, "configMap": {"name": "a", "key": "b"}, "sha256": SHA}

WINDOW = {"start": "02:00", "durationMinutes": 60}

BAD_POOLS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "a maintenance window in a time zone that nobody knows": (
        pool(upgradePolicy={"maintenanceWindows": [{**WINDOW, "timeZone": "Europe/Atlantis"}]}),
        ("spec.upgradePolicy.maintenanceWindows[0].timeZone", "unknown time zone Europe/Atlantis"),
    ),
    "a maintenance window that opens at no time of day": (
        pool(upgradePolicy={"maintenanceWindows": [{**WINDOW, "start": "24:00"}]}),
        ("spec.upgradePolicy.maintenanceWindows[0].start", "a time of day, such as 02:30"),
    ),
    "bitstream from two places": (
        pool(bitstream=TWO_SOURCES),
        ("spec.bitstream", "exactly one source", "set either url or configMap"),
    ),
    "bitstream from nowhere": (
        pool(bitstream={"version": "1.2.0", "sha256": SHA}),
        ("spec.bitstream", "set either url or configMap"),
    ),
    "version of two numbers": (
        changed(pool(), "spec.bitstream.version", "1.2"),
        ("spec.bitstream.version", "three numbers, such as 1.14.0"),
    ),
    "short checksum": (changed(pool(), "spec.bitstream.sha256", "abc"), ("spec.bitstream.sha256", "sha256sum FILE")),
    "upper-case checksum": (
        changed(pool(), "spec.bitstream.sha256", SHA.upper()),
        ("spec.bitstream.sha256", "64 lower-case hex digits"),
    ),
    "ftp bitstream": (
        changed(pool(), "spec.bitstream.url", "ftp://example.com/x"),
        ("spec.bitstream.url", "must start with https://"),
    ),
    "bitstream for a driver that flashes nothing": (
        pool(driver="cpu", licences=None),
        ("spec.bitstream", "achronix and simulated", "remove it, or change spec.driver"),
    ),
    "licences for a driver that needs none": (
        pool(driver="cuda", bitstream=None),
        ("spec.licences", "remove it, or change spec.driver"),
    ),
    "the same licence Secret twice": (
        pool(licences=[{"secretRef": {"name": "a"}}, {"secretRef": {"name": "a"}}]),
        ("spec.licences", "keep one of the two"),
    ),
    "empty node selector": (pool(nodeSelector={}), ("spec.nodeSelector", "kubernetes.io/os: linux")),
    "a GPU's claim without GPUs": (pool(gpu={}), ("spec.gpu is for driver cuda",)),
    "cards of a driver that has none of its own": (
        pool(driver="cuda", bitstream=None, licences=None, cardSelector={"uniqueIds": ["0123456789abcdef"]}),
        ("spec.cardSelector", "and GPUs by spec.gpu"),
    ),
    "a product from a device plugin": (
        pool(driver="cuda", bitstream=None, licences=None, gpu={"productName": "NVIDIA L4"}),
        ("spec.gpu.productName", "nvidia.com/gpu.product: NVIDIA-L4"),
    ),
    "memory without a unit that counts": (
        pool(driver="cuda", bitstream=None, licences=None, gpu={"claimBy": "ResourceClaim", "minMemory": "20GB"}),
        ("spec.gpu.minMemory must be a quantity above 0, such as 20Gi",),
    ),
    "somebody else's resource": (
        pool(driver="cuda", bitstream=None, licences=None, gpu={"resourceName": "amd.com/gpu"}),
        ("spec.gpu.resourceName must be a resource of NVIDIA's device plugin",),
    ),
    "unknown driver": (pool(driver="tpu"), ("spec.driver", '"achronix", "cuda", "cpu", "simulated"')),
    "parts of a core for driver cpu": (
        pool(driver="cpu", bitstream=None, licences=None, podResources={"cpu": "1500m"}),
        ("spec.podResources.cpu", "whole cores", "write '2', not '2500m'"),
    ),
    "memory that is no quantity": (
        pool(podResources={"memory": "lots"}),
        ("spec.podResources.memory", "such as 4Gi"),
    ),
    "maxUnavailable above 100 %": (
        pool(upgradePolicy={"maxUnavailable": "120%"}),
        ("spec.upgradePolicy.maxUnavailable", '"25%"'),
    ),
    "redfish without a login": (
        pool(upgradePolicy={"powerCycle": {"provider": "redfish"}}),
        ("spec.upgradePolicy.powerCycle", "secretRef for provider redfish"),
    ),
    "negative maxUnavailable": (
        pool(upgradePolicy={"maxUnavailable": -1}),
        ("spec.upgradePolicy.maxUnavailable", "a number of 0 or more"),
    ),
    "a capacity given twice": (
        pool(capacity=[{"architecture": "base", "decoder": "greedy", "streams": n} for n in (1, 2)]),
        ("spec.capacity[1]", "Duplicate value"),
    ),
    "a name that no label may have": (pool("p" * 64), ("metadata.name", "at most 63 characters")),
    "a misspelt field": (pool(bitstreem={}), ("spec.bitstreem", "unknown field")),
}

BAD_MODELS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "checkpoint from a bucket": (
        changed(model(), "spec.model.checkpoint.uri", "s3://bucket/x"),
        ("spec.model.checkpoint.uri", "https://", "path inside the image"),
    ),
    "checkpoint without a checksum": (
        changed(model(), "spec.model.checkpoint.sha256", None),
        ("spec.model.checkpoint.sha256", "Required value"),
    ),
    "beam width for greedy decoding": (
        model(decoding={"decoder": "greedy", "beamWidth": 4}),
        ("spec.decoding.beamWidth", "set decoder: beam"),
    ),
    "a keyword twice": (
        model(decoding={"keywords": [{"phrase": "gharial"}, {"phrase": "gharial", "boost": 1}]}),
        ("spec.decoding.keywords", "Duplicate value"),
    ),
    "a keyword of two spaces": (
        model(decoding={"keywords": [{"phrase": "long  nose"}]}),
        ("spec.decoding.keywords[0].phrase", "one space between them"),
    ),
    "a keyword that changes nothing": (
        model(decoding={"keywords": [{"phrase": "gharial", "boost": 0}]}),
        ("spec.decoding.keywords[0].boost", "remove the phrase"),
    ),
    "tenants without keys": (model(tenants={}), ("spec.tenants.keysSecretRef", "Required value")),
    "tenants without a place": (
        model(tenants={"keysSecretRef": {"name": "keys"}, "maxStreamsPerPod": 0}),
        ("spec.tenants.maxStreamsPerPod", "greater than or equal to 1"),
    ),
    "host names without a gateway": (
        model(routing={"hostnames": ["a.example.com"]}),
        ("spec.routing.hostnames", "set spec.routing.gatewayRef"),
    ),
    "host name in capitals": (
        model(routing={"gatewayRef": {"name": "g"}, "hostnames": ["Speech.example.com"]}),
        ("spec.routing.hostnames", "lower-case DNS names"),
    ),
    "a rollout that cannot move": (
        model(rollout={"maxSurge": 0, "maxUnavailable": "0%"}),
        ("spec.rollout.maxSurge", "cannot both be 0"),
    ),
    "language by name": (
        changed(model(), "spec.model.language", "English"),
        ("spec.model.language", "such as en or en-GB"),
    ),
    "model name with a space": (
        changed(model(), "spec.model.name", "my model"),
        ("spec.model.name", "may hold letters"),
    ),
    "a name that no Service may have": (model("1st-model"), ("metadata.name", "must start with a letter")),
    "negative replicas": (model(replicas=-1), ("spec.replicas", "greater than or equal to 0")),
    "no pool": (model(poolRef=None), ("spec.poolRef", "Required value")),
}


@pytest.mark.parametrize(("bad", "words"), BAD_POOLS.values(), ids=BAD_POOLS.keys())
def test_a_bad_pool_is_refused_with_field_and_remedy(api: Api, bad: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(RefusedError) as refusal:
        api.request("POST", POOLS + DRY, bad)
    assert all(word in str(refusal.value) for word in words), str(refusal.value)


@pytest.mark.parametrize(("bad", "words"), BAD_MODELS.values(), ids=BAD_MODELS.keys())
def test_a_bad_model_is_refused_with_field_and_remedy(api: Api, bad: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(RefusedError) as refusal:
        api.request("POST", MODELS + DRY, bad)
    assert all(word in str(refusal.value) for word in words), str(refusal.value)


def test_a_card_node_must_be_named_like_its_node(api: Api) -> None:
    bad = {
        "apiVersion": "asr.gharial.dev/v1alpha1",
        "kind": "AsrCardNode",
        "metadata": {"name": "other"},
        "spec": {"poolRef": {"name": "cards"}, "nodeName": "node-a", "driver": "simulated"},
    }
    with pytest.raises(RefusedError, match=r"metadata\.name must equal spec\.nodeName"):
        api.request("POST", NODES + DRY, bad)


@pytest.mark.parametrize(
    ("collection", "good", "path", "value", "words"),
    [
        (
            POOLS,
            pool("fixed", driver="cpu", bitstream=None, licences=None),
            "driver",
            "cuda",
            "make one with the other",
        ),
        (MODELS, model("fixed"), "poolRef", {"name": "other"}, "make a second AsrModel on the other pool"),
    ],
    ids=["driver", "poolRef"],
)
def test_what_cannot_change_says_what_to_do_instead(
    api: Api, collection: str, good: dict[str, Any], path: str, value: Any, words: str
) -> None:
    api.request("POST", collection, good)
    with pytest.raises(RefusedError, match=words):
        api.merge(f"{collection}/fixed", {"spec": {path: value}})
    api.delete(f"{collection}/fixed")
