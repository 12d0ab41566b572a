// The page: buttons and settings on one side, one transcription at a time on the other.

import { Microphone } from "./audio/microphone.js";
import { Player, readRecording } from "./audio/recording.js";
import { askConfig, askWhy } from "./server.js";
import { asked, fillIn } from "./settings.js";
import { ownServer, streamQuery, streamUrl } from "./stream/address.js";
import { Latencies } from "./stream/latency.js";
import { Transcription } from "./stream/transcription.js";
import { Transcript } from "./text/transcript.js";
import { Controls } from "./view/controls.js";
import { watchFleet } from "./view/fleet-view.js";
import { Results } from "./view/results.js";

const UNKNOWN = { stream: { port: null, path: "/asr/v0.1/stream" }, model: null, fleet: false };

const config = (await askConfig()) ?? UNKNOWN;
const results = new Results();
const controls = new Controls({ listen, play, stop, copy: () => results.copy() });
fillIn(ownServer(location, config.stream.port));
controls.showModel(config.model);
controls.show("idle");
document.getElementById("text").removeAttribute("aria-busy");
if (config.fleet) {
  watchFleet();
}

/** The transcription under way or the last one, with its source of audio. */
let work = null;

/** Begins a stream. Throws an Error when the settings make no address. */
function begin(inRealTime) {
  const settings = asked();
  const own = ownServer(location, config.stream.port);
  // Another server may not know the words of its answers apart, and its reasons are not this one's to tell.
  const isOwn = settings.url === "" || settings.url === own;
  const wanted = { ...settings, words: isOwn ? "true" : "" };
  const url = streamUrl(settings.url || own, config.stream.path, wanted);
  const why = isOwn ? () => askWhy(streamQuery(wanted)) : async () => undefined;
  const transcript = new Transcript();
  const latencies = new Latencies();
  results.begin(transcript, latencies);
  const transcription = new Transcription(url, why, {
    onState: (state, message) => controls.show(state, message),
    onAnswer: (answer, latency) => {
      transcript.add(answer);
      if (latency !== null && inRealTime) {
        latencies.add(answer.end, latency);
      }
      results.showSoon();
    },
    resume: () => {
      const from = transcript.resume();
      results.showSoon();
      return from;
    },
  });
  transcription.finished.then(() => results.finish());
  return transcription;
}

async function listen() {
  controls.show("asking", "Waiting for the microphone …");
  let transcription = null;
  const take = (samples) => {
    controls.showLevel(samples);
    transcription?.push(samples);
  };
  try {
    const source = await Microphone.open(take, () => stop());
    try {
      transcription = begin(true);
    } catch (error) {
      await source.stop();
      controls.hideLevel();
      throw error;
    }
    work = { transcription, source };
    await transcription.finished;
    await source.stop();
    controls.hideLevel();
  } catch (error) {
    controls.show("failed", error.message);
  }
}

async function play(file) {
  controls.show("asking", `Reading ${file.name} …`);
  try {
    const samples = await readRecording(file);
    const inRealTime = controls.inRealTime();
    const transcription = begin(inRealTime);
    const source = new Player(samples, inRealTime, () => transcription.room());
    work = { transcription, source };
    transcription.finished.then(() => source.stop());
    await source.play((piece) => transcription.push(piece));
    await transcription.end();
  } catch (error) {
    controls.show("failed", error.message);
  }
}

/** Ends the audio; what was said until now is still answered. A second time, while a connection is waited for: gives up. */
async function stop() {
  if (work.transcription.hasEnded) {
    work.transcription.cancel("Given up. What came so far stands.");
    return;
  }
  controls.show("finishing");
  await work.source.stop();
  await work.transcription.end();
}
