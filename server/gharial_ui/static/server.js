// What the page asks of the server that it came from.

const PATIENCE_MILLISECONDS = 4000;

/** What there is to know: { stream: { port, path }, model: { name, version, language }, fleet }; null when it cannot be had. */
export function askConfig() {
  return ask("ui/config.json");
}

/** Why the stream with this query would be refused: see stream/closing.js. */
export async function askWhy(query) {
  const told = await ask(`ui/stream.json?${query}`);
  return told === null ? undefined : told.refusal;
}

/** Pools, models and streams of the cluster; null where no control plane is in reach. */
export function askFleet() {
  return ask("ui/fleet.json");
}

async function ask(path) {
  try {
    const answer = await fetch(path, { signal: AbortSignal.timeout(PATIENCE_MILLISECONDS), cache: "no-store" });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}
