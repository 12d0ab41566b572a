"""AsrModel: a speech model served to tenants (namespaced)."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from gharial_api.base import ApiModel, NamedRef, ObjectMeta, cel, rules
from gharial_api.capacity import CapacityKey, Decoder
from gharial_api.conditions import Condition
from gharial_api.names import API_VERSION, MODEL_KIND
from gharial_api.values import IntOrPercent, Sha256


class Checkpoint(ApiModel):
    """The file with the model's weights."""

    uri: str = Field(
        min_length=1,
        max_length=2048,
        json_schema_extra=rules(
            cel(
                "self.matches('^(https?://.+|file:///.+|/.+)')",
                "spec.model.checkpoint.uri must be https://…, http://…, file:///… or a path inside the image, such as "
                "/opt/gharial/models/starter/starter.gharial",
            )
        ),
    )
    """Where the server finds the file: https://, http://, or a path inside the server's image."""
    sha256: Sha256
    """Digest of the file; the server refuses to run any other."""


class ModelSource(ApiModel):
    """Which model."""

    name: str = Field(
        max_length=253,
        json_schema_extra=rules(
            cel("self.matches('^[A-Za-z0-9._-]+$')", "spec.model.name may hold letters, digits, '.', '_' and '-' only")
        ),
    )
    """Name that clients ask for in the query of the stream's address."""
    version: str = Field(
        default="1",
        max_length=64,
        json_schema_extra=rules(
            cel(
                "self.matches('^[A-Za-z0-9._-]+$')",
                "spec.model.version may hold letters, digits, '.', '_' and '-' only",
            )
        ),
    )
    """Version that clients may ask for."""
    language: str = Field(
        default="en",
        max_length=35,
        json_schema_extra=rules(
            cel(
                "self.matches('^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$')",
                "spec.model.language must be a language tag, such as en or en-GB",
            )
        ),
    )
    """Language tag of the speech, such as en or en-GB."""
    architecture: str = Field(default="base", min_length=1, max_length=63)
    """Architecture of the checkpoint: starter, testing, base or large. Sets how many streams a card carries."""
    checkpoint: Checkpoint
    """The file with the weights."""


class Endpointing(ApiModel):
    """Where streams end by themselves."""

    eos_mode: Literal["classic", "stream", "terminal"] = "classic"
    """The model's end-of-utterance token is left out of transcripts (classic), shown (stream), or ends the stream
    (terminal)."""
    silence_seconds: int | None = Field(default=None, ge=1, le=60)
    """A stream ends after so long without a word; never when not set. 2 goes well with terminal."""


class Keyword(ApiModel):
    """A phrase that is heard more readily, or less."""

    phrase: str = Field(
        min_length=1,
        max_length=100,
        json_schema_extra=rules(
            cel(
                r"self.matches('^[^ \\t\\r\\n]+( [^ \\t\\r\\n]+)*$')",
                "a phrase is words with one space between them, spelt as transcripts are spelt",
            )
        ),
    )
    """Words as transcripts spell them."""
    boost: float = Field(
        default=0.5,
        ge=-10,
        le=10,
        json_schema_extra=rules(
            cel("self != 0.0", "boost 0 changes nothing: give a number above or below 0, or remove the phrase")
        ),
    )
    """A natural logarithm for each character: above 0 for more, below 0 for less. Begin with 0.2 to 0.5."""


class Decoding(ApiModel):
    """How words are found."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "self.decoder == 'beam' || !has(self.beamWidth)",
                "spec.decoding.beamWidth is for decoder beam: remove it, or set decoder: beam",
                field_path=".beamWidth",
            ),
        )
    )

    decoder: Decoder = "greedy"
    """greedy (fast) or beam (more accurate, fewer streams per card)."""
    beam_width: int | None = Field(default=None, ge=2, le=16)
    """Hypotheses kept by decoder beam; 4 when not set."""
    state_resets: bool = False
    """Start the network's state afresh every 15 s, so that hours of speech stay accurate. Costs streams per card."""

    endpointing: Endpointing = Endpointing()
    """Where streams end by themselves."""
    keywords: list[Keyword] = Field(
        default=[],
        max_length=500,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["phrase"]},
    )
    """Phrases that every stream of the model hears more readily, or less: names, words of a trade."""

    def capacity_key(self, architecture: str) -> CapacityKey:
        """What a card's capacity is looked up by."""
        return CapacityKey(architecture, self.decoder, self.state_resets)


class GatewayRef(ApiModel):
    """A Gateway of the Gateway API."""

    name: str = Field(min_length=1, max_length=253)
    """Name of the Gateway."""
    namespace: str | None = Field(default=None, max_length=63)
    """Its namespace; the model's own when not set."""
    section_name: str | None = Field(default=None, max_length=253)
    """One listener of it; all when not set."""


class Routing(ApiModel):
    """How streams reach the model."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "size(self.hostnames) == 0 || has(self.gatewayRef)",
                "spec.routing.hostnames needs a gateway: set spec.routing.gatewayRef, or remove hostnames",
                field_path=".hostnames",
            )
        )
    )

    gateway_ref: GatewayRef | None = None
    """The Gateway that the model's route attaches to. Without it the model is reachable inside the cluster only."""
    hostnames: list[Annotated[str, Field(max_length=253)]] = Field(
        default=[],
        max_length=16,
        json_schema_extra={
            "x-kubernetes-list-type": "atomic",
            **rules(
                cel(
                    r"self.all(h, h.matches('^(\\*\\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$'))",
                    "spec.routing.hostnames must be lower-case DNS names, such as speech.example.com or *.example.com",
                )
            ),
        },
    )
    """Host names of the route; every name of the Gateway's listener when empty."""
    retry_after_seconds: int = Field(default=1, ge=0, le=3600)
    """What a client is told to wait (Retry-After) when the whole fleet is full."""


class Tenants(ApiModel):
    """Who may open streams, and how many."""

    keys_secret_ref: NamedRef
    """Secret in the model's namespace. Each entry is a tenant's key: its name is the tenant's (what follows a dot tells
    several keys of one tenant apart), its value the key, or {"key": "…", "maxStreamsPerPod": 20}. Changes reach running
    pods within about a minute; no pod restarts."""
    max_streams_per_pod: int | None = Field(default=None, ge=1, le=100_000)
    """Streams that one tenant may have on one server pod, where its entry says nothing else; no limit when not set."""


class Rollout(ApiModel):
    """How pods of a new spec replace the old ones."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "!(string(self.maxSurge) in ['0', '0%'] && string(self.maxUnavailable) in ['0', '0%'])",
                "spec.rollout.maxSurge and spec.rollout.maxUnavailable cannot both be 0: no pod could ever be replaced",
            )
        )
    )

    max_surge: IntOrPercent = 0
    """Pods above replicas while rolling out. Each needs a free card, so the default is 0: with every card taken a surge
    would wait for ever."""
    max_unavailable: IntOrPercent = 1
    """Pods that may be away while rolling out."""
    drain_timeout_seconds: int = Field(default=3600, ge=1, le=604_800)
    """How long a pod that must go lets its streams finish."""


class ModelSpec(ApiModel):
    """What the team wants served."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "self.poolRef.name == oldSelf.poolRef.name",
                "spec.poolRef cannot change: make a second AsrModel on the other pool and move the route",
                field_path=".poolRef",
            )
        )
    )

    pool_ref: NamedRef
    """The AsrCardPool whose cards run the model."""
    model: ModelSource
    """Which model."""
    decoding: Decoding = Decoding()
    """How words are found."""
    replicas: int = Field(default=1, ge=0, le=10_000)
    """Server pods, one card each. kubectl scale and autoscalers change it through /scale."""
    routing: Routing = Routing()
    """How streams reach the model."""
    tenants: Tenants | None = None
    """Who may open streams; everybody who reaches the model when not set."""
    rollout: Rollout = Rollout()
    """How pods of a new spec replace the old ones."""


class ModelStatus(ApiModel):
    """What the operator sees of the model."""

    observed_generation: int = 0
    """metadata.generation that this status was computed from."""
    conditions: list[Condition] = Field(
        default_factory=list,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    """Ready, CapacityAvailable, RouteAccepted and Progressing, each with a sentence."""
    replicas: int = 0
    """Pods that exist."""
    ready_replicas: int = 0
    """Pods that take new streams."""
    draining_replicas: int = 0
    """Pods that finish their streams and then go."""
    selector: str = ""
    """Label selector of the pods, for /scale."""
    active_streams: int = 0
    """Streams being served."""
    stream_capacity: int = 0
    """Streams that the ready pods can carry."""
    url: str = ""
    """Address of the stream API, for clients."""


class AsrModel(ApiModel):
    """A speech model served on the cards of an AsrCardPool, reachable through a Gateway.

    The operator turns it into a ResourceClaimTemplate, a Deployment, a Service, an HTTPRoute and a PodDisruptionBudget.
    """

    api_version: str = API_VERSION
    kind: str = MODEL_KIND
    metadata: ObjectMeta = ObjectMeta()
    spec: ModelSpec
    """What the team wants served."""
    status: ModelStatus = ModelStatus()
    """What the operator sees of it."""
