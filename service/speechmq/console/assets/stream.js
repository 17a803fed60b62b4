import {
  announcer, clock, connectionTeller, consoleClock, follow, foreign, make, setHidden, setText, showFigures, voice,
} from "./common.js";

const id = decodeURIComponent(location.pathname.split("/")[2]);
const log = document.getElementById("log");
const list = document.getElementById("entries");
const newest = document.getElementById("newest");
const announce = announcer();
const connection = connectionTeller();
const entries = new Map();
let order = [];
let stream = null;
let following = true;

document.title = `${id} · speechmq console`;
document.getElementById("name").textContent = id;
document.getElementById("files").append(...["txt", "srt", "vtt", "json"].map(file));

follow(`/streams/${encodeURIComponent(id)}/events`, take, connection.page);
setInterval(() => stream && showFigures(document.getElementById("figures"), stream), 1000);

function file(style) {
  const link = make("a", "", style);
  link.href = `/streams/${encodeURIComponent(id)}/transcript.${style}`;
  link.download = `${id}.${style}`;
  link.setAttribute("aria-label", `Download as ${style}`);
  return link;
}

function take(frame) {
  consoleClock.set(frame.now);
  if (frame.reset) clear();
  frame.gone.forEach(remove);
  for (const row of frame.rows) {
    const show = SHOW[row.key];
    if (show) show(row);
    else showEntry(row, frame.reset);
  }
  setHidden(document.getElementById("nothing"), entries.size > 0);
  if (following) log.scrollTop = log.scrollHeight;
}

const SHOW = {
  "@console": (row) => connection.broker(row.broker),
  stream: showStream,
  saying: showSaying,
  kept: showKept,
};

function showStream(row) {
  const isKnown = row.id !== null;
  setText(document.getElementById("nothing"), isKnown ? "Nothing was said yet." : "The console has heard nothing of this stream. When it does, it appears here.");
  setHidden(document.getElementById("files"), !isKnown);
  stream = isKnown ? row : null;
  const state = document.getElementById("state");
  setText(state, isKnown ? row.state : "unknown");
  document.body.dataset.state = state.textContent;
  if (!isKnown) return;
  showFigures(document.getElementById("figures"), row);
  setText(document.getElementById("labels"), Object.entries(row.labels).map(([name, text]) => `${name}: ${text}`).join("  ·  "));
}

function showSaying(row) {
  if (row.translations.length) showBeside(true);
  fill("saying", row.live);
  fill("translating", row.translations);
}

/** Lines stay where they are until there is no room; then the newest words are in sight. */
function fill(name, parts) {
  const element = document.getElementById(name);
  element.replaceChildren(...parts.map(spoken));
  element.parentElement.scrollTop = element.parentElement.scrollHeight;
}

function spoken(one) {
  const element = make("p", "partial");
  const who = voice(one);
  if (who) element.append(who, " ");
  element.append(foreign("span", "text", one.text));
  return element;
}

function showKept(row) {
  const notes = [];
  if (row.forgotten) notes.push(`The oldest ${row.forgotten} events were let go, to make room.`);
  if (row.missing.length) {
    const segments = row.missing.map(([first, last]) => (first === last ? `${first}` : `${first} to ${last}`));
    notes.push(`Segments ${segments.join(", ")} were not heard: the console came later, or was not connected.`);
  }
  const element = document.getElementById("missing");
  setText(element, notes.join(" "));
  setHidden(element, !notes.length);
}

function showEntry(row, isFirst) {
  const known = entries.get(row.key);
  const node = row.mark ? markNode(row) : passageNode(row);
  if (known) {
    known.node.replaceWith(node);
    order[order.indexOf(known)] = Object.assign(known, { node, row });
  } else {
    insert({ key: row.key, node, row });
  }
  if (!isFirst) announce(row.mark ? row.text : added(known?.text, row.text));
  entries.get(row.key).text = row.text;
  if (row.translations) showBeside(true);
}

/** From the first translation on there is room for them. */
function showBeside(isTranslated) {
  document.body.classList.toggle("translated", isTranslated);
  setHidden(document.getElementById("beside"), !isTranslated);
}

/** The words that are new. */
function added(before, text) {
  return before && text.startsWith(before) ? text.slice(before.length) : text;
}

function markNode(row) {
  const node = make("li", "mark", make("span", "time", clock(row.at)), foreign("span", "text", row.text));
  node.dataset.mark = row.mark;
  node.classList.toggle("trouble", row.trouble);
  return node;
}

function passageNode(row) {
  const text = make("div", "said");
  const who = voice(row);
  if (who) text.append(who, " ");
  text.append(foreign("span", "text", row.text));
  const node = make("li", "passage", make("span", "time", clock(row.at)), text);
  if (row.translations) node.append(make("div", "beside", ...row.translations.map(translation)));
  return node;
}

function translation(one) {
  const element = make("p", "translation", voice({ language: one.language }), " ");
  element.append(foreign("span", "text", one.text));
  return element;
}

function insert(entry) {
  let low = 0;
  let high = order.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBefore(order[middle].row.order, entry.row.order)) low = middle + 1;
    else high = middle;
  }
  list.insertBefore(entry.node, order[low]?.node ?? null);
  order.splice(low, 0, entry);
  entries.set(entry.key, entry);
}

function isBefore(one, other) {
  const at = one.findIndex((value, index) => value !== other[index]);
  return at >= 0 && one[at] < other[at];
}

function remove(key) {
  const entry = entries.get(key);
  if (!entry) return;
  order.splice(order.indexOf(entry), 1);
  entry.node.remove();
  entries.delete(key);
}

function clear() {
  order = [];
  entries.clear();
  list.replaceChildren();
  showBeside(false);
  document.getElementById("saying").replaceChildren();
  document.getElementById("translating").replaceChildren();
}

// Who scrolls up wants to read: the newest words no longer come by themselves.
log.addEventListener("scroll", () => {
  following = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  setHidden(newest, following);
});

new ResizeObserver(() => {
  if (following) log.scrollTop = log.scrollHeight;
}).observe(log);

newest.addEventListener("click", () => {
  log.scrollTop = log.scrollHeight;
  log.focus();
});
