// Shows a transcript: paragraphs with their time in the margin, words coloured by confidence.

// Below these, a word is doubtful, or very doubtful.
const SURE = 0.9;
const DOUBTFUL = 0.6;
// A word's confidence may be told after its text; this many words may wait for theirs.
const CHANGING_WORDS = 40;
// Finals are read out this long after a word came, all that came by then at once.
const ANNOUNCE_MILLISECONDS = 1200;

export function sureness(confidence) {
  return confidence >= SURE ? "sure" : confidence >= DOUBTFUL ? "doubtful" : "unsure";
}

export class TranscriptView {
  /** text: where words go; announcer: a live region that only a screen reader sees. */
  constructor(text, announcer) {
    this.text = text;
    this.announcer = announcer;
    this.clear();
  }

  clear() {
    this.shown = []; // { span, key } for each word of a final
    this.open = [];
    this.announced = 0;
    this.text.replaceChildren();
    this.announcer.replaceChildren();
  }

  /** Brings the page up to the transcript; only what changed is touched. */
  render(transcript) {
    this.open.forEach((span) => drop(span));
    const { words } = transcript;
    while (this.shown.length > words.length || this.isStale(words)) {
      drop(this.shown.pop().span);
    }
    for (let i = Math.max(0, this.shown.length - CHANGING_WORDS); i < this.shown.length; i += 1) {
      colour(this.shown[i].span, words[i], false);
    }
    for (let i = this.shown.length; i < words.length; i += 1) {
      this.shown.push({ span: this.append(words[i], false), key: key(words[i]) });
    }
    this.open = transcript.open.map((word) => this.append(word, true));
    this.text.scrollTop = this.text.scrollHeight;
    this.announceSoon(transcript);
  }

  /** Reads out what has not been read out yet, now. */
  announce(words) {
    const news = words.slice(this.announced).map((word) => word.text).join(" ");
    this.announced = words.length;
    if (news !== "") {
      this.announcer.replaceChildren(Object.assign(document.createElement("p"), { textContent: news }));
    }
  }

  /** Whether the last word shown is no longer the word it was. */
  isStale(words) {
    const last = this.shown.length - 1;
    return last >= 0 && this.shown[last].key !== key(words[last]);
  }

  append(word, isOpen) {
    const span = document.createElement("span");
    span.className = "word";
    span.textContent = word.text;
    colour(span, word, isOpen);
    const paragraph = this.paragraph(word);
    if (!word.goesOn && paragraph.lastChild.className === "word") {
      paragraph.append(" ");
    }
    paragraph.append(span);
    return span;
  }

  paragraph(word) {
    if (word.opensParagraph || this.text.lastElementChild === null) {
      const paragraph = document.createElement("p");
      const time = document.createElement("time");
      time.textContent = clock(word.start);
      paragraph.append(time);
      this.text.append(paragraph);
    }
    return this.text.lastElementChild;
  }

  announceSoon({ words }) {
    if (this.announced > words.length) {
      this.announced = words.length;
    }
    if (this.pending === undefined && this.announced < words.length) {
      this.pending = setTimeout(() => {
        this.pending = undefined;
        // The last word may still grow.
        this.announce(words.slice(0, -1));
      }, ANNOUNCE_MILLISECONDS);
    }
  }
}

/** Minutes and seconds. */
export function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** Marks a word by its confidence. */
function colour(span, word, isOpen) {
  span.dataset.sure = isOpen ? "open" : sureness(word.confidence);
  span.title = `${Math.round(100 * word.confidence)} % at ${clock(word.start)}`;
}

function key(word) {
  return `${word.start} ${word.text}`;
}

/** Takes a word away, with the space before it, and its paragraph when that is empty. */
function drop(span) {
  const paragraph = span.parentElement;
  if (span.previousSibling?.nodeType === Node.TEXT_NODE) {
    span.previousSibling.remove();
  }
  span.remove();
  if (paragraph.querySelector(".word") === null) {
    paragraph.remove();
  }
}
