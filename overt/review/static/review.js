// Fills in what a page leaves for later, follows the live view, and reads a chosen file. Nothing here decides anything.
const policy = window.trustedTypes
  ? window.trustedTypes.createPolicy("overt", { createHTML: (text) => text })
  : { createHTML: (text) => text };

/** The server writes every part with its own templates, which escape what a person or a page wrote. */
function put(element, html) {
  element.innerHTML = policy.createHTML(html);
}

function gone() {
  document.getElementById("closed").hidden = false;
}

async function fill(place) {
  delete place.dataset.waiting;
  try {
    const answer = await fetch(place.dataset.part, { credentials: "same-origin" });
    if (answer.status === 403) throw new Error("not our page any more");
    if (!answer.ok) {
      const told = document.createElement("p");
      told.className = "problem";
      told.textContent = document.getElementById("closed").dataset.trouble;
      place.replaceWith(told);
      return;
    }
    const html = await answer.text();
    const fresh = document.createElement("div");
    put(fresh, html);
    place.replaceWith(...fresh.childNodes);
    document.dispatchEvent(new Event("filled"));
  } catch {
    gone();
    return;
  }
  const found = document.getElementById("found");
  if (found) found.setAttribute("aria-busy", String(Boolean(found.querySelector("[data-part]"))));
}

// What is on the screen comes first; the rest follows by itself, so that scrolling finds it there.
const seen = new Set();
const watcher = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) (entry.isIntersecting ? seen.add(entry.target) : seen.delete(entry.target));
  },
  { rootMargin: "600px" },
);

/** What is quickly read does not wait for what is not; the browser has six connections. */
const AT_ONCE = 4;

async function fillAll() {
  for (const place of document.querySelectorAll("[data-part]")) watcher.observe(place);
  await new Promise((next) => requestAnimationFrame(() => setTimeout(next)));
  const taken = new Set();
  const worker = async () => {
    for (;;) {
      const waiting = [...document.querySelectorAll("[data-part]")].filter((each) => !taken.has(each));
      if (!waiting.length || !document.getElementById("closed").hidden) return;
      const place = waiting.find((each) => seen.has(each)) ?? waiting[0];
      taken.add(place);
      watcher.unobserve(place);
      seen.delete(place);
      await fill(place);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  document.documentElement.dataset.ready = "true";
}

function follow(place) {
  let source = null;
  const state = document.getElementById("state");
  const open = () => {
    if (source || document.hidden) return;
    source = new EventSource(place.dataset.live);
    source.onmessage = (message) => {
      const { state: now, live } = JSON.parse(message.data);
      if (now && !state.contains(document.activeElement)) put(state, now);
      put(place, live);
      place.dataset.at = String(performance.now());
    };
    source.onerror = () => {
      if (source && source.readyState === EventSource.CLOSED) gone();
    };
  };
  const close = () => {
    source?.close();
    source = null;
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  open();
}

const live = document.querySelector("[data-live]");
if (live) follow(live);

const file = document.getElementById("file");
if (file) {
  file.closest("[data-file-field]").hidden = false;
  const form = file.form;
  form.addEventListener("submit", async (event) => {
    const chosen = file.files[0];
    if (!chosen) return;
    event.preventDefault(); // until it is read
    document.getElementById("document").value = await chosen.text();
    form.submit();
  });
}

fillAll();
