"""The report of a load test as one HTML page: plots, the numbers beside each, light and dark, nothing to fetch."""

from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from typing import Any

from gharial_client.load.charts import Axes, Series, bars, lines

_STYLE = resources.files("gharial_client.load").joinpath("page.css")
Rows = Sequence[Sequence[object]]


def page(report: Mapping[str, Any]) -> str:
    """The page of what `summary` gives."""
    sections = [_figures(report)]
    if "search" in report:
        sections.append(_search(report["search"]))
    sections += [_distribution(report), _latencies(report), _streams(report), _failures(report)]
    title = f"{report['streams']} streams on {report['url']}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE.read_text()}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{''.join(sections)}</main></body></html>\n"
    )


def _figures(report: Mapping[str, Any]) -> str:
    latency, closing = report["latency_ms"], report["closing_ms"]
    tiles = {
        "p50 latency": _ms(latency.get("p50")),
        "p99 latency": _ms(latency.get("p99")),
        "longest": _ms(latency.get("p100")),
        "p99 of the closing answer": _ms(closing.get("p99")),
        "refused": sum(report["refusals"].values()),
        "went wrong": sum(report["errors"].values()),
        "unanswered frames": report["unanswered"],
    }
    if "search" in report:
        limit = report["search"]["p99_limit_ms"]
        tiles = {f"most streams with p99 within {limit:g} ms": report["search"]["largest"]} | tiles
    shown = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(str(value))}</dd></div>" for name, value in tiles.items())
    told = (
        f"{report['at']}: {report['seconds']:g} s were measured, with messages of {report['chunk_ms']:g} ms from "
        f"{report['processes']} process(es) of the client. It took {report['client_cpu_ms_per_audio_second']:g} ms of "
        f"processor time for each second of audio and sent {report['late_messages']} messages late."
    )
    meaning = (
        "Latency is from sending the last sample of a 60 ms frame to the first answer that covers it; "
        "closing is from the end of the audio to the last answer."
    )
    return f'<dl class="tiles">{shown}</dl><p>{escape(told)}</p><p>{meaning}</p>'


def _search(search: Mapping[str, Any]) -> str:
    levels = sorted(search["levels"], key=lambda level: level["streams"])
    rows = [(level["streams"], level["p99_ms"], level["failed"] or "within") for level in search["levels"]]
    axes = Axes(
        "Latency by number of streams",
        f"p99 at each level that was tried; the most streams within the limit were {search['largest']}",
        "streams",
        "p99 in ms",
        ("limit", search["p99_limit_ms"]),
    )
    drawn = lines(axes, [Series("p99", [(level["streams"], level["p99_ms"]) for level in levels])])
    return _section(axes, drawn, ("streams", "p99 ms", "verdict"), rows)


def _distribution(report: Mapping[str, Any]) -> str:
    histogram = report["histogram"]
    closed = [bar for bar in histogram if bar["to_ms"] is not None]
    rows = [(f"{bar['from_ms']:g}-{'' if bar['to_ms'] is None else format(bar['to_ms'], 'g')}", bar["frames"])
            for bar in histogram if bar["frames"]]  # fmt: skip
    latency = report["latency_ms"]
    told = f"half of the frames within {_ms(latency.get('p50'))}, 99 % within {_ms(latency.get('p99'))}"
    axes = Axes("Distribution of the latency", f"{told}; the slowest thousandth is left out", "ms", "frames")
    width = closed[0]["to_ms"] if closed else 1.0
    drawn = bars(axes, [Series("frames", [(bar["from_ms"], bar["frames"]) for bar in closed])], width) if closed else ""
    return _section(axes, drawn, ("ms", "frames"), rows)


def _latencies(report: Mapping[str, Any]) -> str:
    rows = [row for row in report["over_time"] if row["second"] >= 0]
    highest = max((row["p99_ms"] or 0.0 for row in rows), default=0.0)
    axes = Axes("Latency over time", f"p50 and p99 of each second; the highest p99 was {highest:g} ms", "second", "ms")
    drawn = lines(axes, [Series(name, [(row["second"], row[f"{name}_ms"]) for row in rows]) for name in ("p50", "p99")])
    return _section(axes, drawn, ("second", "p50 ms", "p99 ms"),
                    [(row["second"], row["p50_ms"], row["p99_ms"]) for row in rows])  # fmt: skip


def _streams(report: Mapping[str, Any]) -> str:
    rows = [(row["second"], row["streams"]) for row in report["over_time"]]
    most = max((streams or 0 for _, streams in rows), default=0)
    axes = Axes("Streams over time", f"streams that took audio, the ramp before 0; at most {most}", "second", "streams")
    return _section(axes, lines(axes, [Series("streams", rows)]), ("second", "streams"), rows)


def _failures(report: Mapping[str, Any]) -> str:
    rows = [(row["second"], row["refusals"], row["errors"]) for row in report["over_time"]]
    reasons = [("refused", *item) for item in report["refusals"].items()]
    reasons += [("went wrong", *item) for item in report["errors"].items()]
    if not reasons:
        return "<section><h2>Refusals and errors</h2><p>None.</p></section>"
    total = sum(count for _, _, count in reasons)
    axes = Axes("Refusals and errors", f"{total} in all, the ramp before 0", "second", "streams")
    series = [Series("refused", [row[:2] for row in rows]), Series("went wrong", [row[::2] for row in rows])]
    legend = '<p class="legend"><i class="s0"></i>refused <i class="s1"></i>went wrong</p>'
    return _section(axes, bars(axes, series, 1.0) + legend, ("kind", "reason", "times"), reasons)


def _section(axes: Axes, drawn: str, names: Sequence[str], rows: Rows) -> str:
    """A plot with its numbers beside it."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(cell)}</td>' for cell in row)}</tr>" for row in rows)
    title = escape(axes.title, quote=True)
    return (
        f"<section><h2>{title}</h2><p>{escape(axes.description)}.</p><figure>{drawn}</figure>"
        f'<div class="numbers" role="region" aria-label="{title}: the numbers" tabindex="0">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></section>"
    )


def _cell(value: object) -> str:
    return "-" if value is None else escape(f"{value:g}" if isinstance(value, float) else str(value))


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:g} ms"
