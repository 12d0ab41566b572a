"""The page's decisions and its resampler, called in the browser. They are compared with what Python uses."""

import json
import random
from typing import Any

import numpy as np
import pytest
import soxr
from browsed_page import Browsed, Server, browsing
from gharial_client.resume import resume_point
from gharial_wire.answers import Alternative, Answer
from numpy.typing import NDArray

RESAMPLE = """async ([from, samples, cuts]) => {
  const { Resampler } = await import("./ui/audio/resampler.js");
  const resampler = new Resampler(from, 16000);
  const out = [];
  let at = 0;
  for (const cut of [...cuts, samples.length]) {
    out.push(...resampler.push(Float32Array.from(samples.slice(at, cut))));
    at = cut;
  }
  return [...out, ...resampler.flush()];
}"""
CLOSES = """async (closes) => {
  const { judgeClose } = await import("./ui/stream/closing.js");
  return closes.map(([code, opened, refusal]) => judgeClose(code, "", opened, refusal ?? undefined).kind);
}"""
RESUME = """async (cases) => {
  const { Transcript } = await import("./ui/text/transcript.js");
  return cases.map((answers) => {
    const transcript = new Transcript();
    answers.forEach((answer) => transcript.add(answer));
    return [transcript.resume(), transcript.text()];
  });
}"""
WORDS = """async (answers) => {
  const { Transcript } = await import("./ui/text/transcript.js");
  const transcript = new Transcript();
  answers.forEach((answer) => transcript.add(answer));
  return [...transcript.words, ...transcript.open].map((word) => [word.text, word.confidence, word.goesOn]);
}"""


async def resampled(browsed: Browsed, signal: NDArray[np.float64], rate: int, cuts: list[int]) -> NDArray[np.float64]:
    return np.array(await browsed.page.evaluate(RESAMPLE, [rate, signal.tolist(), cuts]))


async def test_the_resampler_gives_what_soxr_gives_however_the_signal_is_cut(silent: Server) -> None:
    async with browsing(silent.url) as browsed:
        for rate in (8000, 22050, 44100, 48000):
            noise = np.random.default_rng(0).standard_normal(rate // 4)
            speech = soxr.resample(soxr.resample(noise, rate, 6000), 6000, rate)[: len(noise)] * 0.3
            whole = await resampled(browsed, speech, rate, [])
            blocks = await resampled(browsed, speech, rate, list(range(128, len(speech), 128)))
            expected = soxr.resample(speech, rate, 16000)
            assert np.array_equal(whole, blocks)
            assert abs(len(whole) - len(expected)) <= 1
            inner = slice(200, min(len(whole), len(expected)) - 200)
            error = np.sqrt(np.mean((whole[inner] - expected[inner]) ** 2) / np.mean(expected[inner] ** 2))
            assert error < 1e-3, rate


async def test_what_would_fold_back_is_80_db_down(silent: Server) -> None:
    time = np.arange(12000) / 48000
    async with browsing(silent.url) as browsed:
        for hertz, lowest, highest in ((100, 0.999, 1.001), (7000, 0.99, 1.01), (8050, 0, 1e-4), (15000, 0, 1e-4)):
            out = await resampled(browsed, np.sin(2 * np.pi * hertz * time), 48000, [])
            loudness = np.sqrt(2 * np.mean(out[400:-400] ** 2))
            assert lowest <= loudness <= highest, hertz


async def test_the_page_resumes_where_the_client_resumes(silent: Server) -> None:
    chance = random.Random(7)
    cases = [
        [
            Answer(0.06 * i, 0.06 * (i + 1), False, (Alternative(word(chance), 1.0),))
            for i in range(chance.randrange(240))
        ]
        for _ in range(25)
    ]
    async with browsing(silent.url) as browsed:
        found = await browsed.page.evaluate(RESUME, [[encoded(answer) for answer in case] for case in cases])
    for case, (seconds, text) in zip(cases, found, strict=True):
        point = resume_point(case)
        assert text == "".join(answer.transcript for answer in case[: point.kept]).strip()
        assert seconds == pytest.approx(point.seconds, abs=0.001)


def word(chance: random.Random) -> str:
    return chance.choice([""] * 9 + [" so", " on"])


def encoded(answer: Answer) -> dict[str, Any]:
    readings = [{"transcript": each.transcript, "confidence": each.confidence} for each in answer.alternatives]
    return {"start": answer.start, "end": answer.end, "is_provisional": answer.is_provisional, "alternatives": readings}


async def test_words_of_several_pieces_have_the_geometric_mean_and_partials_may_go_on_with_a_final(
    silent: Server,
) -> None:
    pieces = [(" se", 0.9, False), ("ven", 0.4, False), ("", 1.0, False), (" one t", 0.8, False), ("wo", 0.5, True)]
    answers = [
        encoded(Answer(i, i + 1, provisional, (Alternative(text, confidence),)))
        for i, (text, confidence, provisional) in enumerate(pieces)
    ]
    async with browsing(silent.url) as browsed:
        found = await browsed.page.evaluate(WORDS, answers)
    assert [(text, goes_on) for text, _, goes_on in found] == [
        ("seven", False), ("one", False), ("t", False), ("wo", True),
    ]  # fmt: skip
    assert found[0][1] == pytest.approx(0.6)


async def test_a_word_takes_the_confidence_that_the_server_tells_when_the_next_begins(silent: Server) -> None:
    answers = [
        encoded(Answer(i, i + 1, False, (Alternative(text, 0.5),))) for i, text in enumerate([" o", "ne", " two", ""])
    ]
    answers[2]["alternatives"][0]["words"] = [{"word": "one", "start": 0, "end": 2, "confidence": 0.9}]
    async with browsing(silent.url) as browsed:
        found = await browsed.page.evaluate(WORDS, answers)
    assert [(text, confidence) for text, confidence, _ in found] == [("one", 0.9), ("two", 0.5)]


async def test_each_close_has_its_consequence(silent: Server) -> None:
    full, wrong = {"status": 503, "message": "full"}, {"status": 400, "message": "no"}
    told = {
        (1000, True): "done", (1003, True): "failed", (1008, True): "failed", (1009, True): "failed",
        (1006, True): "again", (1011, True): "again", (1012, True): "again",
        (1006, False): "again", (1006, False, json.dumps(full)): "again", (1006, False, json.dumps(wrong)): "failed",
    }  # fmt: skip
    closes = [[code, opened, *map(json.loads, refusal)] for code, opened, *refusal in told]
    async with browsing(silent.url) as browsed:
        assert await browsed.page.evaluate(CLOSES, closes) == list(told.values())
