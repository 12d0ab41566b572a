// Where the stream is and what is asked of it.

const CONTENT_TYPE = "audio/x-raw;format=S16LE;channels=1;rate=16000";
const NAMES = ["model", "lang", "alternatives", "keywords", "words", "api_key"];

/** The server's address as it is when nobody says otherwise: the page's own host, and the port that the server told. */
export function ownServer(place, port) {
  const scheme = place.protocol === "https:" ? "wss:" : "ws:";
  return port === null ? `${scheme}//${place.host}` : `${scheme}//${bracketed(place.hostname)}:${port}`;
}

/** The stream's whole URL. Throws an Error that says what helps. */
export function streamUrl(server, path, asked) {
  let url;
  try {
    url = new URL(path, server);
  } catch (error) {
    throw new Error(`The server's address is ${server}; give one such as ws://localhost:3030.`, { cause: error });
  }
  if (url.protocol !== "ws:" && url.protocol !== "wss:") {
    throw new Error(`The server's address begins with ${url.protocol}; give one that begins with ws: or wss:.`);
  }
  url.search = streamQuery(asked);
  return url;
}

/** The stream's parameters; those left empty are not sent. */
export function streamQuery(asked) {
  const query = new URLSearchParams({ content_type: CONTENT_TYPE });
  for (const name of NAMES) {
    if (asked[name]) {
      query.set(name, asked[name]);
    }
  }
  return query.toString();
}

function bracketed(host) {
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}
