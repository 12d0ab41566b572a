"""The table of verbs: name (one word or two) -> module, the extra that installs its packages, one line of help."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Verb:
    """One verb of the command line."""

    module: str
    extra: str
    summary: str


VERBS: dict[str, Verb] = {
    "serve": Verb("gharial_server.cli", "server", "Serve a model on the streaming API."),
    "client": Verb("gharial_client.cli", "client", "Stream recordings to a server and show the words."),
    "transcribe": Verb("gharial_asr.cli.transcribe", "server", "Decode files offline, without a server."),
    "operator": Verb("gharial_operator.cli", "operator", "Run the operator."),
    "agent": Verb("gharial_agent.cli", "agent", "Run a node's card agent."),
    "simcard": Verb("gharial_simcard.cli", "server", "Run simulated cards on this node."),
    "bitstream": Verb("gharial_agent.bitstream_cli", "agent", "Pack and inspect bitstreams for Achronix cards."),
    "licence": Verb("gharial_agent.licence_cli", "agent", "Issue, inspect and verify card licences."),
    "check": Verb("gharial_admin.check_cli", "admin", "Say what is wrong with a cluster's Gharial, and what to do."),
    "data": Verb("gharial_training.data.cli", "training", "Look into and prepare training data."),
    "train": Verb("gharial_training.fitting.cli", "training", "Train a model from speech shards."),
    "validate": Verb("gharial_training.validation.cli", "training", "Measure word error rates."),
    "export": Verb(
        "gharial_training.export.cli",
        "training",
        "Turn a training checkpoint into a hardware checkpoint.",
    ),
    "compile": Verb("gharial_asr.cli.compile", "server", "Compile a hardware checkpoint into an int8 artefact."),
    "bench": Verb("gharial_server.bench.cli", "server", "Measure how many live streams this machine carries."),
    "bench control-plane": Verb(
        "gharial_cluster.scale.cli", "dev", "Measure the operator with a thousand nodes and models."
    ),
    "cluster": Verb("gharial_cluster.cli", "dev", "Start and stop a real two-node Kubernetes on this machine."),
    "demo": Verb("gharial_cluster.demo.cli", "dev", "Show the whole way, from a bare machine to words."),
}
