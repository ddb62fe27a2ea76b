// Plays a page: the pointer goes its way again, and what was done shows when it was done; rests are cut short.
const REST_MS = 1500;

/** The moments of a track on the film's own clock, on which no rest is longer than REST_MS. */
function clockOf(moments) {
  const sorted = [...new Set(moments)].sort((a, b) => a - b);
  const shown = new Map();
  let now = 0;
  sorted.forEach((at, i) => {
    if (i) now += Math.min(at - sorted[i - 1], REST_MS);
    shown.set(at, now);
  });
  return { shown, length: now };
}

function prepare(film) {
  const { way, acts } = JSON.parse(film.dataset.track);
  const texts = JSON.parse(film.dataset.texts);
  const { shown, length } = clockOf([...way.map(([at]) => at), ...acts.map(([at]) => at)]);
  if (!length) return;
  const points = way.map(([at, x, y]) => [shown.get(at), x, y]);
  const moments = acts.map(([at]) => shown.get(at));
  const [play, slider, speed] = ["button", "input", "select"].map((name) => film.querySelector(`.controls ${name}`));
  const [pointer, played] = [".pointer", ".played"].map((name) => film.querySelector(name));
  const marks = film.parentElement.querySelectorAll("[data-act]");
  let at = length;
  let before = 0;
  let frame = 0;

  function draw() {
    const past = points.filter(([when]) => when <= at);
    const next = points[past.length];
    let here = past[past.length - 1] ?? next ?? [0, -99, -99];
    if (past.length && next) {
      const part = (at - here[0]) / Math.max(next[0] - here[0], 1);
      here = [at, here[1] + (next[1] - here[1]) * part, here[2] + (next[2] - here[2]) * part];
    }
    pointer.setAttribute("cx", here[1]);
    pointer.setAttribute("cy", here[2]);
    played.setAttribute("points", [...past, here].map(([, x, y]) => `${x},${y}`).join(" "));
    for (const mark of marks) mark.classList.toggle("later", moments[Number(mark.dataset.act)] > at);
    slider.value = String(Math.round(at));
    slider.setAttribute("aria-valuetext", `${(at / 1000).toFixed(1)} s`);
  }

  function step(now) {
    at = Math.min(at + (now - before) * Number(speed.value), length);
    before = now;
    draw();
    frame = at < length ? requestAnimationFrame(step) : 0;
    if (!frame) stop();
  }

  function stop() {
    cancelAnimationFrame(frame);
    frame = 0;
    film.classList.remove("playing");
    play.textContent = texts.play;
  }

  play.addEventListener("click", () => {
    if (frame) return stop();
    if (at >= length) at = 0;
    before = performance.now();
    film.classList.add("playing");
    play.textContent = texts.pause;
    frame = requestAnimationFrame(step);
  });
  slider.max = String(Math.ceil(length));
  slider.value = slider.max;
  slider.addEventListener("input", () => {
    stop();
    film.classList.add("playing");
    at = Math.min(Number(slider.value), length);
    draw();
  });
  film.querySelector(".controls").hidden = false;
}

document.addEventListener("filled", () => {
  for (const film of document.querySelectorAll(".page-film:not([data-prepared])")) {
    film.dataset.prepared = "true";
    prepare(film);
  }
});
