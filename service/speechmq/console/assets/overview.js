import {
  announcer, connectionTeller, consoleClock, follow, foreign, make, setHidden, setText, showFigures, voice,
} from "./common.js";

const lists = { live: document.getElementById("live"), over: document.getElementById("over") };
const sorted = { live: [], over: [] };
const cards = new Map();
const filter = document.getElementById("filter");
const announce = announcer();
const connection = connectionTeller();
let totals = null;

follow("/events", take, connection.page);
setInterval(showAges, 1000);

function take(frame) {
  consoleClock.set(frame.now);
  if (frame.reset) [...cards.keys()].forEach(remove);
  frame.gone.forEach(remove);
  for (const row of frame.rows) {
    if (row.key === "@console") showConsole(row);
    else showStream(row, frame.reset);
  }
  showCount();
}

function showConsole(row) {
  connection.broker(row.broker);
  totals = row;
  const notes = [];
  if (row.forgotten) notes.push(`${row.forgotten} streams were let go, to make room.`);
  if (row.unreadable) notes.push(`${row.unreadable} events could not be read; the last one: ${row.problem}`);
  const element = document.getElementById("notes");
  setText(element, notes.join(" "));
  setHidden(element, !notes.length);
}

function showStream(row, isFirst) {
  const card = cards.get(row.key) ?? newCard(row);
  const before = card.row;
  card.row = row;
  place(card);
  if (!isFirst && before && before.state !== row.state) announce(`${row.id}: ${row.state}.`);
  card.node.dataset.state = row.state;
  setText(card.state, row.state);
  showFigures(card.figures, row);
  card.captions.replaceChildren(...row.lines.map((one) => line(one, "final")), ...row.live.map((one) => line(one, "partial")));
  card.beside.replaceChildren(...row.translations.map((one) => line(one, "translation")));
  setHidden(card.beside, !row.translations.length);
  setText(card.news, row.news ?? "");
  card.news.classList.toggle("trouble", row.trouble);
  card.words = `${row.id} ${row.state} ${Object.entries(row.labels).flat().join(" ")}`.toLowerCase();
  const labels = Object.entries(row.labels).map(([name, text]) => `${name} ${text}`).join(", ");
  setText(card.labels, labels);
  setHidden(card.labels, !labels);
  setHidden(card.node, !matches(card));
}

function newCard(row) {
  const link = foreign("a", "name", row.id);
  link.href = `/streams/${encodeURIComponent(row.id)}`;
  const card = {
    key: row.key, list: null, row: null, link,
    state: make("span", "state"), labels: foreign("p", "labels", ""), figures: make("dl", "figures"),
    captions: make("div", "captions"), beside: make("div", "captions beside"), news: foreign("p", "news", ""),
  };
  card.node = make("li", "card",
    make("div", "head", make("h3", "", link), card.state), card.labels, card.figures, card.captions, card.beside, card.news);
  cards.set(row.key, card);
  return card;
}

function line(one, name) {
  const element = make("p", name);
  const who = voice(one);
  if (who) element.append(who, " ");
  element.append(foreign("span", "text", one.text));
  return element;
}

// Streams stay where they are: live ones in the order of their beginnings, others by their ends.
function place(card) {
  const list = card.row.over ? "over" : "live";
  if (card.list === list) return;
  const focused = card.node.contains(document.activeElement);
  leaveList(card);
  const order = sorted[list];
  let at = order.length;
  while (at > 0 && comes(card, order[at - 1], list)) at -= 1;
  lists[list].insertBefore(card.node, order[at]?.node ?? null);
  order.splice(at, 0, card);
  card.list = list;
  if (focused) card.link.focus();
}

function comes(card, other, list) {
  return list === "live" ? card.row.since < other.row.since : card.row.at > other.row.at;
}

function leaveList(card) {
  if (card.list) sorted[card.list].splice(sorted[card.list].indexOf(card), 1);
}

function remove(key) {
  const card = cards.get(key);
  if (!card) return;
  leaveList(card);
  card.node.remove();
  cards.delete(key);
}

function showCount() {
  const shown = filter.value ? [...cards.values()].filter((card) => !card.node.hidden).length : null;
  if (totals) {
    const all = `${totals.live} live, ${totals.over} over`;
    setText(document.getElementById("count"), shown === null ? all : `${shown} shown of ${all}`);
  }
  setHidden(document.getElementById("over-section"), !sorted.over.length);
  const nothing = document.getElementById("nothing");
  const isEmpty = !sorted.live.some((card) => !card.node.hidden);
  setText(nothing, sorted.live.length ? "No live stream matches." : "No stream is live. One that starts appears here by itself.");
  setHidden(nothing, !isEmpty);
}

function showAges() {
  for (const card of cards.values()) if (!card.node.hidden) showFigures(card.figures, card.row);
}

function matches(card) {
  return filter.value.toLowerCase().split(/\s+/).every((word) => card.words.includes(word));
}

filter.addEventListener("input", () => {
  for (const card of cards.values()) setHidden(card.node, !matches(card));
  showCount();
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/" && document.activeElement !== filter) {
    event.preventDefault();
    filter.select();
  } else if (event.key === "Escape" && document.activeElement === filter) {
    filter.value = "";
    filter.dispatchEvent(new Event("input"));
    filter.blur();
  } else if (event.key in STEPS) {
    step(event, STEPS[event.key]);
  }
});

const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

// From card to card; elsewhere arrows scroll, as ever.
function step(event, by) {
  const links = [...sorted.live, ...sorted.over].filter((card) => !card.node.hidden).map((card) => card.link);
  const at = links.indexOf(document.activeElement);
  const next = links[at + by];
  if (at < 0 || !next) return;
  event.preventDefault();
  next.focus();
}
