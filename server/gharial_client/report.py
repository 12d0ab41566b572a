"""What came of one recording or one time at the microphone, as JSON fields and as a line."""

from gharial_client.transcription import Result


def summary(result: Result) -> dict[str, object]:
    """The result as JSON fields; times in seconds, latencies in milliseconds."""
    return {
        "transcript": result.transcript,
        "audio_seconds": round(result.audio_seconds, 3),
        "wall_seconds": round(result.wall_seconds, 3),
        "answers": result.answers,
        "latency_ms": {
            f"p{percent}": round(result.latency(percent) * 1000, 1) if result.latencies else None
            for percent in (50, 90, 99, 100)
        },
        "closing_ms": round(result.closing_seconds * 1000, 1),
        "reconnects": result.reconnects,
        "streams": result.streams,
    }


def line(name: str, result: Result) -> str:
    """The same in one line for people."""
    latency = ""
    if result.latencies:
        latency = f"latency p50 {result.latency(50) * 1000:.0f} ms, p99 {result.latency(99) * 1000:.0f} ms, "
    lost = f", {result.reconnects} reconnects" if result.reconnects else ""
    return (
        f"{name}: {result.audio_seconds:.1f} s of audio, {result.answers} answers, {latency}"
        f"last answer {result.closing_seconds * 1000:.0f} ms after the end{lost}"
    )
