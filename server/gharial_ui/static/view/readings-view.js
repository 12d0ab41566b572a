// The n-best readings of what is being said.

/** Shows alternatives, { transcript, confidence } best first, in the list `list`. */
export function renderReadings(list, readings) {
  list.replaceChildren(...readings.map(item));
}

function item({ transcript, confidence }) {
  const line = document.createElement("li");
  const text = document.createElement("span");
  text.className = "reading";
  text.textContent = transcript.trim() || "(nothing)";
  const figure = document.createElement("span");
  figure.className = "figure";
  figure.textContent = `${Math.round(100 * confidence)} %`;
  line.append(text, figure);
  return line;
}
