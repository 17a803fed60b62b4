// What both pages share. All that comes from streams becomes text nodes: it is never made HTML of.

/** Follows server-sent events, for as long as the page can be seen; `tell` hears how that goes. */
export function follow(path, take, tell) {
  let source = null;
  let last = "";
  let timer = 0;

  function open() {
    close();
    source = new EventSource(last ? `${path}?last-event-id=${encodeURIComponent(last)}` : path);
    source.onopen = () => tell(true);
    source.onmessage = (event) => {
      take(JSON.parse(event.data));
      last = event.lastEventId;
    };
    source.onerror = () => {
      tell(false);
      // The browser tries again by itself, but for answers like "too many watch".
      if (source.readyState === EventSource.CLOSED) timer = setTimeout(open, 5000);
    };
  }

  function close() {
    clearTimeout(timer);
    source?.close();
    source = null;
  }

  // A browser has six connections to a place: a page that is hidden needs none.
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => event.persisted && open());
  open();
}

/** An element with text in it, or others. */
export function make(tag, name, ...content) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...content);
  return element;
}

/** Foreign text: in its own direction, whatever marks it has in it. */
export function foreign(tag, name, text) {
  const element = make(tag, name, text);
  element.dir = "auto";
  return element;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setHidden(element, hidden) {
  if (element.hidden !== hidden) element.hidden = hidden;
}

/** Seconds as 1:02 or 1:00:02. */
export function clock(seconds) {
  const whole = Math.floor(seconds);
  const pad = (number) => String(number).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  const rest = pad(whole % 60);
  return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${pad(minutes % 60)}:${rest}`;
}

/** A length of time in words. */
export function length(seconds) {
  if (seconds < 90) return `${Math.floor(seconds)} s`;
  if (seconds < 5400) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h`;
}

/** Who speaks, on which channel or in which language. */
export function voice({ channel, speaker, language }) {
  const names = [channel, speaker, language].filter((name) => name !== undefined);
  if (!names.length) return null;
  const element = foreign("span", "voice", names.join(" · "));
  if (speaker !== undefined) element.dataset.tone = toneOf(speaker);
  if (language !== undefined) element.dataset.language = "";
  return element;
}

function toneOf(name) {
  let sum = 0;
  for (const character of name) sum = (sum * 31 + character.codePointAt(0)) % 6007;
  return sum % 6;
}

/** The time of day at the console, which may not be ours. */
export const consoleClock = {
  offset: 0,
  set(now) { this.offset = now - Date.now() / 1000; },
  now() { return Date.now() / 1000 + this.offset; },
};

const QUIET_SECONDS = 5;

/** What is to be known of a stream at a glance: label, text, and whether it asks for attention. */
export function figuresOf(stream) {
  const quiet = consoleClock.now() - stream.at;
  const figures = [["duration", clock(stream.heard), false], ["epoch", String(stream.epoch), false]];
  if (stream.lag !== null) figures.unshift(["lag", `${stream.lag.toFixed(stream.lag < 100 ? 1 : 0)} s`, stream.lag > 10]);
  if (stream.resumes) figures.push(["resumes", String(stream.resumes), true]);
  if (stream.gaps) figures.push(["gaps", `${stream.gaps} (${stream.gap_seconds.toFixed(1)} s)`, true]);
  if (stream.warnings) figures.push(["warnings", String(stream.warnings), true]);
  if (stream.over) figures.push(["over for", length(quiet), false]);
  else if (quiet > QUIET_SECONDS) figures.push(["quiet for", length(quiet), quiet > 30]);
  return figures;
}

/** Writes figures into a <dl>, touching only what is new. */
export function showFigures(list, stream) {
  const figures = figuresOf(stream);
  const known = [...list.children];
  figures.forEach(([name, text, trouble], index) => {
    const figure = known[index] ?? list.appendChild(make("div", "", make("dt"), make("dd")));
    setText(figure.firstChild, name);
    setText(figure.lastChild, text);
    figure.dataset.name = name;
    figure.classList.toggle("trouble", trouble);
  });
  known.slice(figures.length).forEach((figure) => figure.remove());
}

const STATES = { connecting: "connecting", connected: "connected", waiting: "waiting for a worker", lost: "not connected" };

/** Shows whether the console and its broker can be reached. */
export function connectionTeller() {
  const element = document.getElementById("connection");
  let reached = false;
  let broker = { state: "connecting", text: "" };
  function show() {
    const state = reached ? broker.state : "lost";
    const text = reached ? broker.text : "the console cannot be reached; trying again";
    if (element.title === text && element.dataset.state === state) return;
    element.dataset.state = state;
    element.title = text;
    element.replaceChildren(STATES[state], make("span", "", text && `: ${text}`));
  }
  return {
    page(isReached) { reached = isReached; show(); },
    broker(told) { reached = true; broker = told; show(); },
  };
}

/** Says things to those who listen rather than look, one at a time. */
export function announcer() {
  const element = document.getElementById("spoken");
  let waiting = [];
  let timer = 0;
  function say() {
    timer = 0;
    if (!waiting.length) return;
    element.textContent = waiting.join(" ").slice(-600);
    waiting = [];
    timer = setTimeout(say, 2000);
  }
  return (text) => {
    waiting.push(text);
    waiting = waiting.slice(-20);
    if (!timer) timer = setTimeout(say, 300);
  };
}
