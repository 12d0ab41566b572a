"""A browser's own recorder as a client: what Chromium's MediaRecorder makes of a microphone is sent as it is."""

from browsed_page import Server, browsing

STREAM = """
async ([port, pieceMilliseconds]) => {
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
  const recorder = new MediaRecorder(microphone, { mimeType: "audio/webm;codecs=opus" });
  const type = encodeURIComponent(recorder.mimeType);
  const socket = new WebSocket(`ws://localhost:${port}/asr/v0.1/stream?content_type=${type}`);
  const answers = [];
  socket.onmessage = (event) => answers.push(JSON.parse(event.data));
  const closed = new Promise((resolve) => (socket.onclose = resolve));
  await new Promise((resolve) => (socket.onopen = resolve));
  recorder.ondataavailable = (event) => socket.send(event.data);
  recorder.onstop = () => socket.send(new Blob([]));
  recorder.start(pieceMilliseconds);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const whileSpeaking = answers.length;
  recorder.stop();
  const { code, reason } = await closed;
  return { whileSpeaking, code, reason, ends: answers.map((answer) => answer.end) };
}
"""


async def test_the_browsers_recorder_is_answered_while_it_records(silent: Server) -> None:
    async with browsing(silent.url) as browsed:
        told = await browsed.page.evaluate(STREAM, [silent.port, 100])
    assert (told["code"], told["reason"]) == (1000, "")
    assert told["whileSpeaking"] >= 5
    ends = told["ends"]
    assert ends[:-1] == [round(0.06 * (n + 1), 3) for n in range(len(ends) - 1)]
    assert 0.8 < ends[-1] < 2.5
