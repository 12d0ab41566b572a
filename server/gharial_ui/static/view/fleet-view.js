// Pools, models and streams of the cluster, where the server can see its control plane.

import { askFleet } from "../server.js";

const EVERY_MILLISECONDS = 5000;

const POOLS = [["Pool", (pool) => pool.name], ["Driver", (pool) => pool.driver], ["Nodes", (pool) => pool.nodes],
  ["Cards", (pool) => pool.cards], ["Ready", (pool) => pool.ready], ["State", (pool) => pool.state]];
const MODELS = [["Model", (model) => model.name], ["Pool", (model) => model.pool],
  ["Servers ready", (model) => `${model.ready} of ${model.replicas}`], ["Streams", (model) => model.streams],
  ["At most", (model) => model.capacity], ["State", (model) => model.state]];

/** Shows the fleet for as long as the page is open; shows nothing where there is none to see. */
export async function watchFleet() {
  const fleet = document.hidden ? null : await askFleet();
  if (fleet !== null) {
    const tables = [table("Pools of cards", POOLS, fleet.pools), table("Models", MODELS, fleet.models)];
    document.getElementById("fleet-tables").replaceChildren(...tables);
    document.getElementById("fleet").hidden = false;
  }
  setTimeout(watchFleet, EVERY_MILLISECONDS);
}

/** columns: [title, value of a row]. */
function table(caption, columns, rows) {
  const made = document.createElement("table");
  made.createCaption().textContent = caption;
  const head = made.createTHead().insertRow();
  for (const [title] of columns) {
    head.append(Object.assign(document.createElement("th"), { textContent: title, scope: "col" }));
  }
  const body = made.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    columns.forEach(([, value], i) => line.append(cell(value(row), i === 0)));
  }
  return made;
}

function cell(value, isHead) {
  const made = document.createElement(isHead ? "th" : "td");
  if (isHead) {
    made.scope = "row";
  }
  made.textContent = value ?? "–";
  return made;
}
