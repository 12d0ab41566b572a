// Where to send on from after a connection was lost: a pure decision, as docs/reference/streaming-api.md tells it.

const PAUSE_SECONDS = 0.48;
const LOOK_BACK_SECONDS = 10;
const EPSILON = 1e-6;

/**
 * said: the finals that hold text, { start, end } in seconds, in order; heard: where the last final ends.
 * Returns { kept, from }: how many of them stand, and the second from which audio is sent again.
 */
export function resumePoint(said, heard) {
  let quietUntil = heard;
  for (let kept = said.length; kept >= 0 && quietUntil >= heard - LOOK_BACK_SECONDS; kept -= 1) {
    const quietFrom = kept > 0 ? said[kept - 1].end : 0;
    if (quietUntil - quietFrom >= PAUSE_SECONDS - EPSILON) {
      return { kept, from: quietUntil - PAUSE_SECONDS };
    }
    if (kept > 0) {
      quietUntil = said[kept - 1].start;
    }
  }
  return { kept: said.length, from: heard };
}
