// What a closed connection means: pure decisions.

const DONE = 1000;
const AGAIN = new Set([1001, 1006, 1011, 1012, 1013]);

/**
 * code, reason: of the close event; opened: whether the stream had begun; refusal: what the server says of a stream that
 * did not begin ({ status, message, retry_after }), null when it would be welcome, undefined when it cannot be asked.
 * Returns { kind: "done" } or { kind: "again" | "failed", message, wait }, wait in seconds where the server said it.
 */
export function judgeClose(code, reason, opened, refusal) {
  if (code === DONE) {
    return { kind: "done" };
  }
  if (!opened) {
    return judgeRefusal(refusal);
  }
  if (AGAIN.has(code)) {
    return { kind: "again", message: `The connection was lost${told(reason)}` };
  }
  return { kind: "failed", message: `The server ended the stream${told(reason)}` };
}

function judgeRefusal(refusal) {
  if (refusal === undefined) {
    return { kind: "again", message: "The server does not answer. Is it running, and is its address in the settings right?" };
  }
  if (refusal === null) {
    return {
      kind: "again",
      message: "The stream was refused, and browsers do not tell why. The server itself would take it: "
        + "look at the server's address, at the API key, and at a gateway between.",
    };
  }
  const kind = refusal.status === 503 || refusal.status === 429 ? "again" : "failed";
  return { kind, message: `The server refused the stream: ${refusal.message}.`, wait: refusal.retry_after ?? undefined };
}

function told(reason) {
  return reason ? `: ${reason}.` : ".";
}
