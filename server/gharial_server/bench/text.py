"""Results of measurements as text."""

from typing import TYPE_CHECKING

from gharial_server.bench.machine import Machine
from gharial_server.bench.measure import BenchResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gharial_server.bench.formats import FormatCost
    from gharial_server.bench.peers.compare import Comparison
    from gharial_server.bench.profiling import Profile
    from gharial_server.bench.soak import SoakResult
    from gharial_server.bench.steps import StepTimes


def tried(result: BenchResult) -> str:
    """A line about one try of a search."""
    verdict = "carried" if result.carried else "too many"
    return f"{result.streams} streams: p99 {result.p99_ms} ms, {verdict}"


def engine_text(result: BenchResult) -> str:
    """What `gharial bench engine` found."""
    kept = "in real time" if result.realtime else "NOT in real time"
    resets = " with state resets" if result.state_resets else ""
    weights = "random weights" if result.random_weights else "its own weights"
    return "\n".join(
        (
            f"{result.arch} ({weights}) {result.precision} {result.decoder}{resets}, {result.streams} streams "
            f"on {result.device}, {result.threads} thread(s): {kept}",
            f"answer after p50 {result.p50_ms} ms, p99 {result.p99_ms} ms; batches of {result.mean_batch} "
            f"(p50 {result.batch_p50}, p99 {result.batch_p99}, most {result.batch_max}); "
            f"{result.tokens_per_frame} tokens per frame",
            f"{result.cpu_ms_per_audio_second} CPU ms per second of audio; the generator's own "
            f"{result.generator_cpu_ms_per_audio_second} are not in it",
            f"{result.bytes_per_stream} bytes per stream; {result.rss_bytes >> 20} MiB resident",
            _machine(result.machine),
        )
    )


def formats_text(costs: "Sequence[FormatCost]") -> str:
    """What `gharial bench formats` found, as a table."""
    lines = [f"{'':50}{'CPU ms per s':>14}{'held, ms':>10}{'bytes/s':>9}"]
    lines += [
        f"{cost.content_type:50}{cost.cpu_ms_per_audio_second:14.3f}"
        f"{'' if cost.held_ms is None else cost.held_ms:>10}{cost.bytes_per_second:9}"
        for cost in costs
    ]
    return "\n".join(lines)


def peers_text(result: "Comparison") -> str:
    """What `gharial bench peers` found, as a table."""
    lines = [
        f"{result.arch}, {result.threads} thread(s), {result.seconds:.0f} s each, audio: {result.audio}",
        f"{'':36}{'batch':>6}{'CPU ms per s':>14}{'ratio':>7}{'streams/core':>14}{'tokens/frame':>14}",
    ]
    for peer in result.peers:
        tokens = "" if peer.tokens_per_frame is None else f"{peer.tokens_per_frame:.3f}"
        lines.append(
            f"{peer.name:36}{peer.batch:6}{peer.cpu_ms_per_audio_second:14.2f}{peer.ratio:7.2f}"
            f"{peer.streams_per_core:14.1f}{tokens:>14}"
        )
    return "\n".join((*lines, _machine(result.machine)))


def profile_text(result: "Profile") -> str:
    """What `gharial bench engine --profile` found, as a table."""
    lines = [
        f"{result.arch} {result.precision} {result.decoder}: {result.microseconds:.0f} us of processor time "
        f"for a step of {result.streams} streams, over {result.steps} steps",
        f"{'':12}{'':26}{'us':>10}{'share':>8}{'calls':>8}",
    ]
    lines += [
        f"{row.area:12}{row.what:26}{row.microseconds:10.1f}{row.share:8.1%}{row.calls:8.1f}" for row in result.rows
    ]
    return "\n".join((*lines, _machine(result.machine)))


def steps_text(result: "StepTimes") -> str:
    """What `gharial bench steps` found, as a table."""
    lines = [
        f"{result.arch} {result.precision} on {result.device}, {result.bytes_per_stream} bytes per stream, "
        f"made in {result.load_seconds} s",
        f"{'batch':>7}{'steps':>8}{'p50 ms':>10}{'p99 ms':>10}{'tokens/frame':>14}{'streams':>10}",
    ]
    for row in result.batches:
        lines.append(
            f"{row.batch:7}{row.steps:8}{row.p50_ms:10.3f}{row.p99_ms:10.3f}{row.tokens_per_frame:14.3f}{row.streams:10}"
        )
    return "\n".join((*lines, _machine(result.machine)))


def _machine(machine: Machine) -> str:
    return f"{machine.cpu} ({', '.join(machine.flags)}), {machine.cores} cores, load {machine.load}, {machine.commit}"


def soak_text(result: "SoakResult") -> str:
    """What `gharial bench soak` found."""
    streams = "agree to the last bit" if result.streams_agree else "DIFFER"
    fresh = "what the first one gave" if result.fresh_agrees else "SOMETHING ELSE than the first one"
    return "\n".join(
        (
            f"{result.streams} streams of {result.hours} hours in {result.wall_seconds:.0f} s; the last answer ends at "
            f"{result.end_seconds} s",
            f"the streams' answers {streams}; a stream opened at the end gave {fresh}",
            f"resident {result.early_rss / 2**20:.1f} MiB after a minute, {result.late_rss / 2**20:.1f} at the end; "
            f"Python's blocks {result.early_objects} and {result.late_objects}",
            f"largest LSTM cell {result.early_largest_cell} after a minute, {result.late_largest_cell} at the end",
            f"heard after a minute: {result.early_heard}",
            f"heard at the end:     {result.late_heard}",
        )
    )
