// What was said so far: finals joined, cut into words and paragraphs. No page in here.

import { resumePoint } from "../stream/resuming.js";

// A silence as long as this begins a new paragraph, in seconds.
const PARAGRAPH_SECONDS = 2;

export class Transcript {
  constructor() {
    this.said = []; // finals that hold text: { text, confidence, start, end }
    this.heard = 0;
    this.words = []; // those of the finals: { text, confidence, start, end, opensParagraph }
    this.told = 0; // words whose confidence the server has told; it does so when the next word begins
    this.open = []; // those of the latest partial; the first one may go on with the last word (`goesOn`)
    this.readings = []; // the alternatives of the latest partial that had several
  }

  /** Takes one answer, its times in seconds of the whole recording. */
  add(answer) {
    const [best] = answer.alternatives;
    const piece = { text: best.transcript, confidence: best.confidence, start: answer.start, end: answer.end };
    if (answer.alternatives.length > 1) {
      this.readings = answer.alternatives;
    }
    this.open = [];
    if (answer.is_provisional) {
      append(this.open, piece, this.words.at(-1));
      return;
    }
    this.heard = answer.end;
    if (piece.text !== "") {
      this.said.push(piece);
      append(this.words, piece, this.words.at(-1));
    }
    for (const { confidence } of best.words ?? []) {
      Object.assign(this.words[this.told] ?? {}, { confidence });
      this.told += 1;
    }
  }

  /** After a connection was lost: takes back what comes again, and returns the second to send on from. */
  resume() {
    const { kept, from } = resumePoint(this.said, this.heard);
    const before = this.words;
    this.said.length = kept;
    this.heard = from;
    this.open = [];
    this.words = [];
    this.said.forEach((piece) => append(this.words, piece, this.words.at(-1)));
    this.words.forEach((word, i) => Object.assign(word, { confidence: before[i].confidence }));
    this.told = this.words.length;
    return from;
  }

  /** The whole text. */
  text() {
    return this.said.map((piece) => piece.text).join("").trim();
  }
}

/** Adds one piece's words. A piece without a leading space goes on with the word before it. */
function append(words, piece, before) {
  const { start, end, confidence } = piece;
  const parts = piece.text.split(/\s+/).filter(Boolean);
  const goesOn = before !== undefined && !/^\s/.test(piece.text);
  const isHere = before === words.at(-1);
  if (goesOn && isHere && parts.length > 0) {
    extend(before, parts.shift(), piece);
  }
  const opensParagraph = before === undefined || start - before.end >= PARAGRAPH_SECONDS;
  parts.forEach((text, i) => {
    const first = i === 0 && !(goesOn && isHere);
    words.push({
      text, start, end, confidence, pieces: 1,
      opensParagraph: first && opensParagraph && !goesOn,
      goesOn: first && goesOn,
    });
  });
}

/** Until the server tells a word's confidence, it is the geometric mean over its pieces, as the server makes it. */
function extend(word, text, piece) {
  word.confidence = (word.confidence ** word.pieces * piece.confidence) ** (1 / (word.pieces + 1));
  word.pieces += 1;
  word.text += text;
  word.end = piece.end;
}
