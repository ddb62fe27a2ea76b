// Plays a document's life: every step that the store kept, in its own time, rests cut short.
const REST_MS = 1500; // a longer rest is shown as this long
const KEY_STEPS = 400; // a copy of the whole document every so many steps, to jump back from
const LINES = 60; // lines on the screen around the caret

const film = document.getElementById("film");
const texts = JSON.parse(film.dataset.texts);
const [play, slider, speed, when, what, screen] = ["play", "at", "speed", "when", "what", "screen"].map((id) =>
  document.getElementById(`film-${id}`),
);
let steps = [];
let labels = {};
let keys = [];
let cells = []; // [character, finding]
let at = 0;
let last = null;
let timer = 0;

const cellsOf = (text, masked) => {
  const made = Array.from(text, (sign) => [sign, 0]);
  for (const [start, end, finding] of masked) for (let i = start; i < end && i < made.length; i++) made[i][1] = finding;
  return made;
};

function apply(step) {
  const [, position, deleted, inserted, masked, , kind] = step;
  if (kind === "gap" || kind === "save") return;
  if (kind === "caret") {
    last = [position, position];
    return;
  }
  const fresh = cellsOf(inserted, masked);
  const cut = deleted < 0 ? cells.length : deleted;
  if (fresh.length < 10000) cells.splice(position, cut, ...fresh);
  else cells = cells.slice(0, position).concat(fresh, cells.slice(position + cut));
  last = deleted < 0 ? [0, 0] : [position, position + fresh.length];
}

function go(to) {
  let key = keys[Math.floor(to / KEY_STEPS)] ?? keys[keys.length - 1];
  if (to < at || key.at > at) {
    cells = key.cells.slice();
    last = key.last;
    at = key.at;
  }
  while (at < to) {
    apply(steps[at]);
    at += 1;
    if (at % KEY_STEPS === 0 && !keys[at / KEY_STEPS]) keys[at / KEY_STEPS] = { at, cells: cells.slice(), last };
  }
  draw();
}

function draw() {
  const caret = last ? last[1] : 0;
  let start = caret;
  for (let lines = 0; start > 0 && lines < LINES / 2; start--) if (cells[start - 1][0] === "\n") lines += 1;
  while (start > 0 && cells[start - 1][0] !== "\n") start -= 1;
  let end = caret;
  for (let lines = 0; end < cells.length && lines < LINES / 2; end++) if (cells[end][0] === "\n") lines += 1;
  const parts = document.createDocumentFragment();
  let text = "";
  const flush = (fresh) => {
    if (!text) return;
    const span = document.createElement("span");
    if (fresh) span.className = "fresh";
    span.textContent = text;
    parts.append(span);
    text = "";
  };
  let here = null;
  for (let i = start; i <= end; i++) {
    if (i === caret) {
      flush(last && last[0] < i);
      here = document.createElement("span");
      here.className = "caret";
      parts.append(here);
    }
    if (i === end) break;
    if (last && i === last[0]) flush(false);
    const [sign, finding] = cells[i];
    if (finding) {
      flush(last && i > last[0] && i < last[1]);
      if (i === start || cells[i - 1][1] !== finding) {
        const label = labels[finding] ?? "<MASKED>";
        const mark = document.createElement("mark");
        mark.className = label.startsWith("<SECRET") ? "secret" : "pii";
        mark.textContent = label.replace(/[<>]/g, "");
        parts.append(mark);
      }
    } else text += sign;
  }
  flush(false);
  screen.replaceChildren(parts);
  if (here) {
    const row = here.offsetTop - screen.offsetTop;
    const seen = row > screen.scrollTop + 20 && row < screen.scrollTop + screen.clientHeight - 40;
    if (!seen) screen.scrollTop = row - screen.clientHeight / 2;
  }
  const step = steps[Math.min(at, steps.length) - 1];
  slider.value = String(at);
  const time = step ? new Date(step[0]).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" }) : "";
  when.textContent = time;
  slider.setAttribute("aria-valuetext", time);
  what.textContent = step ? (texts[step[6]] ?? texts.unknown) : "";
}

function tick() {
  if (at >= steps.length) return stop();
  const now = steps[at][0];
  go(at + 1);
  if (at >= steps.length) return stop();
  const rest = Math.min(Math.max(steps[at][0] - now, 0), REST_MS);
  timer = setTimeout(tick, rest / Number(speed.value));
}

function stop() {
  clearTimeout(timer);
  timer = 0;
  play.textContent = texts.play;
}

play.addEventListener("click", () => {
  if (timer) return stop();
  if (at >= steps.length) go(0);
  play.textContent = texts.pause;
  timer = setTimeout(tick, 0);
});
slider.addEventListener("input", () => {
  stop();
  go(Number(slider.value));
});

async function load(from) {
  const address = new URL(film.dataset.reel, location.href);
  address.searchParams.set("from", from);
  const answer = await fetch(address, { credentials: "same-origin" });
  if (!answer.ok) return; // what is gone is said below
  const reel = await answer.json();
  if (!keys.length) {
    cells = reel.base.flatMap(([text, finding]) => Array.from(text, (sign) => [sign, finding]));
    keys = [{ at: 0, cells: cells.slice(), last: null }];
  }
  steps = steps.concat(reel.steps);
  labels = { ...labels, ...reel.labels };
  if (reel.broken) document.getElementById("film-broken").hidden = false;
  slider.max = String(steps.length);
  film.hidden = false;
  if (reel.next !== null) await load(reel.next);
}

await load(film.dataset.from);
if (keys.length) go(0);
film.dataset.ready = "true";
