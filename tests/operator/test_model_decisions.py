"""Decisions about models, and the objects they are made of: facts in, manifests and sentences out."""

from dataclasses import replace
from typing import Any

import pytest
from gharial_api.capacity import CapacityKey, streams_per_card
from gharial_api.conditions import Reason
from gharial_api.model import GatewayRef
from gharial_operator.config import OperatorConfig
from gharial_operator.facts import GatewayFacts, ModelFacts, PodFacts, PodStreams, RouteFacts
from gharial_operator.kinds import HTTP_ROUTE, TRAFFIC_POLICY
from gharial_operator.policies.card_supply import offer
from gharial_operator.policies.cards import fit_versions
from gharial_operator.policies.last_words import last_words
from gharial_operator.policies.model import ModelDecision, decide_model
from gharial_operator.specs.claim_template import card_expression
from gharial_operator.specs.deployment import build_deployment
from gharial_operator.specs.disruption_budget import build_disruption_budget
from gharial_operator.specs.http_route import build_http_route
from gharial_operator.specs.service import build_service
from machines import card
from manifests import SHA
from pool_facts import NOW, a_card_node, a_model, a_pool, old, stored

CONFIG = OperatorConfig(server_image="server:1", cuda_server_image="server-cuda:1")
READY = PodFacts("p1", ready=True, scheduled=True, ip="10.0.0.1")
ROUTED = {"gatewayRef": {"name": "speech", "namespace": "edge"}}
APIS = frozenset({HTTP_ROUTE.kind, TRAFFIC_POLICY.kind})


def facts(*pods: PodFacts, cards: list[dict[str, Any]] | None = None, **spec: Any) -> ModelFacts:
    node = a_card_node("a", *([card()] if cards is None else cards))
    return ModelFacts(a_model(**spec), NOW, a_pool(), offer(a_pool(), [node]), pods=pods)


def said(decision: ModelDecision, kind: str) -> tuple[str, str, str]:
    found = next(c for c in decision.status.conditions if c.type == kind)
    return found.status, found.reason, found.message


def test_a_ready_model_says_where_it_is_and_what_it_carries() -> None:
    seen = replace(facts(READY), streams={"10.0.0.1": PodStreams(3, 16)})
    decision = decide_model(seen, CONFIG)
    assert said(decision, "Ready") == (
        "True",
        "PodsReady",
        "1 pod serves english version 1 at ws://english.default.svc:3030/asr/v0.1/stream: 16 streams, 3 in use.",
    )
    assert (decision.status.active_streams, decision.status.stream_capacity) == (3, 16)


@pytest.mark.parametrize(
    ("gateway", "hostnames", "url"),
    [
        (GatewayFacts(True, "10.1.2.3", 80, False), [], "ws://10.1.2.3/asr/v0.1/stream"),
        (GatewayFacts(True, "10.1.2.3", 8080, False), [], "ws://10.1.2.3:8080/asr/v0.1/stream"),
        (GatewayFacts(True, "10.1.2.3", 443, True), ["a.example.com"], "wss://a.example.com/asr/v0.1/stream"),
        (GatewayFacts(True, "fd00::1", 80, False), ["*.example.com"], "ws://[fd00::1]/asr/v0.1/stream"),
        (GatewayFacts(True, "", 80, False), [], ""),
        (GatewayFacts(), ["a.example.com"], ""),
    ],
)
def test_the_address_comes_from_gateway_and_host_names(gateway: GatewayFacts, hostnames: list[str], url: str) -> None:
    seen = replace(facts(READY, routing={**ROUTED, "hostnames": hostnames}), gateway=gateway, apis=APIS)
    assert decide_model(seen, CONFIG).status.url == url


def test_a_refused_route_makes_the_model_unready_in_the_gateways_words() -> None:
    seen = replace(
        facts(READY, routing=ROUTED),
        apis=APIS,
        gateway=GatewayFacts(True, "10.1.2.3"),
        route=RouteFacts(True, True, False, "NotAllowedByListeners: Wrong namespace."),
    )
    status, reason, message = said(decide_model(seen, CONFIG), "Ready")
    assert (status, reason) == ("False", "RouteRefused")
    assert message == "Gateway edge/speech says: NotAllowedByListeners: Wrong namespace."


def test_a_cluster_without_gateway_api_gets_no_route_and_the_model_says_so() -> None:
    decision = decide_model(facts(READY, routing=ROUTED), CONFIG)
    assert HTTP_ROUTE not in [kind for kind, _ in decision.children]
    assert said(decision, "Ready")[1] == "GatewayApiMissing"


def test_a_gateway_leads_streams_recordings_and_the_page_to_their_ports_and_nothing_to_operations() -> None:
    model = a_model(routing=ROUTED)
    rules = build_http_route(model, GatewayRef(name="speech"))["spec"]["rules"]
    ports = {rule["matches"][-1]["path"]["value"]: rule["backendRefs"][0]["port"] for rule in rules}
    assert ports == {"/asr/v0.1/stream": 3030, "/v1": 8000, "/": 8000, "/ui": 8000}
    assert {rule["matches"][0]["queryParams"][0]["value"] for rule in rules} == {model.spec.model.name}
    service = {port["name"]: port["port"] for port in build_service(model)["spec"]["ports"]}
    assert service == {"stream": 3030, "api": 8000, "http": 8080}
    server = build_deployment(model, a_pool(), 16, CONFIG)["spec"]["template"]["spec"]["containers"][0]
    assert {port["name"]: port["containerPort"] for port in server["ports"]} == service
    assert server["args"][server["args"].index("--api-port") + 1] == "8000"


def test_cards_that_other_models_want_do_not_count() -> None:
    seen = replace(facts(), taken=1)
    status, reason, message = said(decide_model(seen, CONFIG), "CapacityAvailable")
    assert (status, reason) == ("False", "InsufficientCards")
    assert "1 usable of 1 card, of which other models want 1" in message


def test_cards_with_another_bitstream_are_named() -> None:
    seen = facts(cards=[card(bitstream="1.1.0")])
    message = said(decide_model(seen, CONFIG), "CapacityAvailable")[2]
    assert "a 0000:3b:00.0 (bitstream 1.1.0, wanted 1.2.0)" in message


def test_pods_that_have_their_cards_are_enough_whatever_the_pool_says() -> None:
    seen = facts(READY, cards=[])
    assert said(decide_model(seen, CONFIG), "CapacityAvailable")[0] == "True"


def test_the_scheduler_and_the_kubelet_are_quoted() -> None:
    nowhere = PodFacts("p1", unschedulable="0/2 nodes are available: 2 cannot allocate all claims.")
    assert "2 cannot allocate all claims" in said(decide_model(facts(nowhere), CONFIG), "Ready")[2]
    pulling = PodFacts("p1", scheduled=True, waiting="ImagePullBackOff", waiting_message="not found")
    assert said(decide_model(facts(pulling), CONFIG), "Ready")[1:] == (
        "PodFailing",
        "Pod p1: ImagePullBackOff: not found",
    )


def test_a_draining_pod_counts_as_draining_only() -> None:
    going = PodFacts("p0", ready=True, scheduled=True, terminating=True)
    status = decide_model(facts(READY, going), CONFIG).status
    assert (status.replicas, status.ready_replicas, status.draining_replicas) == (1, 1, 1)


def test_a_model_of_no_replicas_is_not_ready() -> None:
    assert said(decide_model(facts(replicas=0), CONFIG), "Ready")[1] == "ScaledToZero"


@pytest.mark.parametrize(
    ("text", "reason", "sentence"),
    [
        ("ChecksumMismatch: found 1, wanted 2", Reason.CHECKSUM_MISMATCH, "found 1, wanted 2"),
        ("a line\nCheckpointNotFound: /x is no file\n", Reason.CHECKPOINT_NOT_FOUND, "/x is no file"),
        ("Traceback\nKeyError: 1", Reason.POD_FAILING, "KeyError: 1"),
        ("", Reason.POD_FAILING, "The container ended without a word."),
    ],
)
def test_last_words(text: str, reason: Reason, sentence: str) -> None:
    assert last_words(text) == (reason, sentence)


def test_a_claim_asks_for_pool_and_bitstream_and_survives_cards_without_one() -> None:
    expression = card_expression(a_pool(), ["1.2.0"])
    attributes = 'device.attributes["cards.asr.gharial.dev"]'
    assert expression == (
        f'{attributes}.pool == "cards" && has({attributes}.bitstreamVersion) && '
        f'{attributes}.bitstreamVersion.compareTo(semver("1.2.0")) == 0'
    )
    assert card_expression(a_pool(bitstream=None), []) == f'{attributes}.pool == "cards"'


def test_while_nodes_have_an_earlier_good_bitstream_pods_may_run_on_it() -> None:
    good = {"version": "1.1.0", "url": "https://example.com/card.bit", "sha256": SHA}
    nodes = [
        a_card_node("a", card(), rollout=stored("Done", last_good={**good, "version": "1.2.0"})),
        a_card_node("b", old(), rollout=stored("RolledBack", rolling_back=True, last_good=good)),
    ]
    assert fit_versions(a_pool(), nodes) == ("1.2.0", "1.1.0")
    expression = card_expression(a_pool(), fit_versions(a_pool(), nodes))
    assert 'compareTo(semver("1.2.0")) == 0 || ' in expression
    assert expression.endswith('compareTo(semver("1.1.0")) == 0)')
    assert offer(a_pool(), nodes).usable == 2


@pytest.mark.parametrize(("at_a_time", "allowed"), [(1, 1), (5, 5), ("50%", "50%"), (0, 1), ("0%", 1)])
def test_a_drain_takes_as_many_pods_at_a_time_as_a_rollout(at_a_time: int | str, allowed: int | str) -> None:
    model = a_model(rollout={"maxUnavailable": at_a_time, "maxSurge": 1})
    assert build_disruption_budget(model)["spec"]["maxUnavailable"] == allowed


def test_pods_are_confined_and_get_the_time_to_drain() -> None:
    model = a_model(rollout={"drainTimeoutSeconds": 100})
    pod = build_deployment(model, a_pool(), 16, CONFIG)["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > 100
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    for container in pod["initContainers"] + pod["containers"]:
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
    words = pod["containers"][0]["args"]
    assert words[words.index("--capacity") + 1] == "16"
    assert words[words.index("--backend") + 1] == "card"
    assert words[words.index("--drain-timeout") + 1] == "100"
    assert "--state-resets" not in words


@pytest.mark.parametrize(
    ("decoding", "words"),
    [
        ({}, []),
        ({"decoder": "greedy"}, []),
        ({"decoder": "beam"}, ["--decoder", "beam"]),
        ({"decoder": "beam", "beamWidth": 8}, ["--decoder", "beam", "--beam-width", "8"]),
    ],
)
def test_the_decoder_reaches_the_server(decoding: dict[str, Any], words: list[str]) -> None:
    pod = build_deployment(a_model(decoding=decoding), a_pool(), 16, CONFIG)["spec"]["template"]["spec"]
    arguments = pod["containers"][0]["args"]
    said = [word for word in arguments if word in ("--decoder", "beam", "--beam-width", "8")]
    assert said == words


def pod_of(**spec: Any) -> dict[str, Any]:
    pod: dict[str, Any] = build_deployment(a_model(**spec), a_pool(), 16, CONFIG)["spec"]["template"]["spec"]
    return pod


def test_keywords_reach_the_server_and_their_order_restarts_no_pod() -> None:
    keywords = [{"phrase": "nil"}, {"phrase": "long nose", "boost": -1}]
    pods = [pod_of(decoding={"keywords": order}) for order in (keywords, keywords[::-1])]
    assert pods[0] == pods[1]
    words = pods[0]["containers"][0]["args"]
    assert words[words.index("--keywords") + 1] == '{"keywords": {"long nose": -1.0, "nil": 0.5}}'
    assert "--keywords" not in pod_of()["containers"][0]["args"]


def test_tenants_keys_are_mounted_where_the_server_looks_for_them() -> None:
    pod = pod_of(tenants={"keysSecretRef": {"name": "keys"}, "maxStreamsPerPod": 3})
    server = pod["containers"][0]
    words = server["args"]
    folder = words[words.index("--tenants") + 1]
    assert words[words.index("--tenant-streams") + 1] == "3"
    volume = next(mount["name"] for mount in server["volumeMounts"] if mount["mountPath"] == folder)
    assert next(v for v in pod["volumes"] if v["name"] == volume)["secret"]["secretName"] == "keys"
    assert "--tenant-streams" not in pod_of(tenants={"keysSecretRef": {"name": "keys"}})["containers"][0]["args"]
    assert "--tenants" not in pod_of()["containers"][0]["args"]


def test_servers_send_traces_where_the_operator_was_told() -> None:
    config = replace(CONFIG, traces="http://collector:4318")
    pod = build_deployment(a_model(), a_pool(), 16, config)["spec"]["template"]["spec"]
    words = pod["containers"][0]["args"]
    assert words[words.index("--traces") + 1] == "http://collector:4318"
    assert "--traces" not in pod_of()["containers"][0]["args"]


def test_endpointing_reaches_the_server() -> None:
    ending = a_model(decoding={"endpointing": {"eosMode": "terminal", "silenceSeconds": 2}})
    words = build_deployment(ending, a_pool(), 16, CONFIG)["spec"]["template"]["spec"]["containers"][0]["args"]
    assert words[words.index("--eos-mode") + 1] == "terminal"
    assert words[words.index("--silence-terminate-seconds") + 1] == "2"
    plain = build_deployment(a_model(), a_pool(), 16, CONFIG)["spec"]["template"]["spec"]["containers"][0]["args"]
    assert not {"--eos-mode", "--silence-terminate-seconds"} & set(plain)


def test_state_resets_reach_the_server() -> None:
    resetting = a_model(decoding={"stateResets": True})
    pod = build_deployment(resetting, a_pool(), 16, CONFIG)["spec"]["template"]["spec"]
    assert "--state-resets" in pod["containers"][0]["args"]


def test_a_gpu_pod_asks_for_one_gpu_and_computes_on_it() -> None:
    pool = a_pool(driver="cuda", bitstream=None, licences=None)
    pod = build_deployment(a_model(), pool, 16, CONFIG)["spec"]["template"]["spec"]
    server = pod["containers"][0]
    assert server["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert "resourceClaims" not in pod
    assert server["args"][server["args"].index("--backend") + 1] == "cuda"
    assert {container["image"] for container in pod["initContainers"] + pod["containers"]} == {"server-cuda:1"}


def test_a_pod_on_cores_has_the_image_and_the_backend_for_them() -> None:
    pool = a_pool(driver="cpu", bitstream=None, licences=None)
    pod = build_deployment(a_model(), pool, 16, CONFIG)["spec"]["template"]["spec"]
    server = pod["containers"][0]
    assert server["args"][server["args"].index("--backend") + 1] == "cpu"
    assert {container["image"] for container in pod["initContainers"] + pod["containers"]} == {"server:1"}


@pytest.mark.parametrize(
    ("architecture", "decoder", "resets", "streams"),
    [
        ("base", "greedy", False, 2000),
        ("base", "beam", False, 1300),
        ("base", "greedy", True, 1600),
        ("base", "beam", True, 1200),
        ("large", "greedy", False, 800),
        ("large", "beam", False, 500),
        ("large", "greedy", True, 650),
        ("large", "beam", True, 400),
    ],
)
def test_the_published_capacities(architecture: str, decoder: Any, resets: bool, streams: int) -> None:
    assert streams_per_card("achronix", CapacityKey(architecture, decoder, resets)) == streams


def test_a_pools_own_figure_wins_and_cores_multiply_the_table() -> None:
    key = CapacityKey("base", "greedy", False)
    assert streams_per_card("achronix", key, [(key, 7)]) == 7
    assert streams_per_card("cpu", key, cores=3) == 3 * (streams_per_card("cpu", key) or 0)
    assert streams_per_card("cpu", CapacityKey("unheard-of", "greedy", False)) is None
