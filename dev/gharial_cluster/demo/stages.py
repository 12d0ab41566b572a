"""The demo's stages, in order. Each may be repeated: an interrupted demo goes on where it stopped."""

from gharial_cluster.cluster import Cluster
from gharial_cluster.demo import tables
from gharial_cluster.demo.recording import stream_live
from gharial_cluster.demo.site import SYSTEM_NAMESPACE, Site, example, wait_until
from gharial_cluster.files import locked
from gharial_cluster.images.build import build
from gharial_cluster.network_plan import NODES
from gharial_cluster.paths import cache_root, checkout_root
from gharial_cluster.progress import Progress

IMAGES = ("operator", "agent", "server")
BITSTREAM = "1.14.0"
# The recording that the demo streams: spoken digits, by somebody the model never heard.
RECORDING = "digits.flac"


def run_demo(name: str) -> None:
    """Everything from nothing to words. Raises RuntimeError with what failed and why."""
    busy = f"another demo runs on the cluster {name}; wait for it, or end it, and try again"
    with locked(cache_root() / "clusters" / f".{name}.demo.lock", busy):
        progress = Progress()
        expect_stages(progress)
        cluster = Cluster.named(name)
        cluster.up(progress)
        site = Site.on(cluster)
        bring_up(site, progress)
    show(site)


def expect_stages(progress: Progress) -> None:
    """Announces the stages after the cluster's own, with guesses for a machine that never did them."""
    progress.expect("demo images", "Build the images of operator, agent and server", 240)
    progress.expect("demo load", "Bring them to the nodes", 60)
    progress.expect("demo chart", "Install charts/gharial with helm", 30)
    progress.expect("demo cards", "Flash and license the cards (AsrCardPool)", 30)
    progress.expect("demo model", "Serve the starter model (AsrModel)", 40)


def bring_up(site: Site, progress: Progress) -> None:
    """Images, chart, cards, licences and model on a cluster that is up; returns when all are Ready."""
    expect_stages(progress)
    with progress.stage("demo images"):
        images = [build(image, progress.note) for image in IMAGES]
    with progress.stage("demo load"):
        site.load(images, progress)
    with progress.stage("demo chart"):
        site.label_nodes(*NODES)
        site.install()
    with progress.stage("demo cards"):
        site.put_bitstream(BITSTREAM)
        site.apply(*example("pool"))
        wait_until(lambda: len(site.card_ids()) == len(NODES), 120, lambda: f"the agents found only {site.card_ids()}")
        site.licence_cards(site.card_ids())
        site.wait_condition("asrcardpool", "simulated", "Ready", timeout=180, tell=Teller(progress))
    with progress.stage("demo model"):
        site.apply(*example("model"))
        site.wait_condition("asrmodel", "general", "Ready", namespace="speech", timeout=240, tell=Teller(progress))
        site.wait_condition("asrmodel", "general", "RouteAccepted", namespace="speech", timeout=60)


class Teller:
    """Notes what a resource says of itself, each sentence once."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._last = progress, ""

    def __call__(self, sentence: str) -> None:
        """Hears a sentence."""
        if sentence != self._last:
            self._last = sentence
            self._progress.note(sentence)


def show(site: Site) -> None:
    """The tables, a recording streamed live, and what to try next."""
    tables.heading("What the cluster says")
    tables.resource_tables(site)
    recording = checkout_root() / "models" / "starter" / "samples" / RECORDING
    url = site.gateway_url()
    tables.heading("A human recording, at real-time pace, through the gateway")
    stream_live(recording, url)
    print(f"really said: {tables.spoken_words(recording)}")
    tables.heading("Three things to try next (the cluster stays up)")
    print(tables.next_things(url, recording.relative_to(checkout_root()), site.cluster.kubeconfig))
    print(f"\nmake demo-down stops it. Objects of Gharial's own live in {SYSTEM_NAMESPACE}, the model in speech.")
