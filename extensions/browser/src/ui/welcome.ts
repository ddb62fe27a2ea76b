/** The consent page: each study with its notice, and a question for each of its sites. Yes is never the default. */

import { patternFor } from "../shared/origins.ts";
import type { Overview } from "../shared/ui.ts";
import { type Kind, PAGE_KINDS, type Study } from "../shared/wire.ts";
import { ask, byId, fixFor, make, sorry, t, translate } from "./dom.ts";

const HOUR_S = 3600;
/** Kinds that have no text at any level. */
const TEXTLESS: ReadonlySet<Kind> = new Set(["page.close", "tab.activate", "page.focus", "pointer.trail"]);
/** Without a connection it is looked for again so often, in milliseconds. */
const AGAIN_MS = 2000;
let again: ReturnType<typeof setTimeout> | undefined;

async function show(): Promise<void> {
  const overview = await ask<Overview>({ ask: "overview", tab: null });
  showConnection(overview);
  if (!overview.connected) {
    // What is shown stays: a bridge that is away for a moment takes no question from under the person's hand.
    clearTimeout(again);
    again = setTimeout(() => void show().catch(() => undefined), AGAIN_MS);
    if (byId("studies").childElementCount > 0) return;
  }
  const studies = (overview.state?.studies ?? []).filter((study) => study.origins.length > 0);
  const parts = studies.map((study) => studyPart(study, overview));
  if (parts.length === 0 && overview.connected) parts.push(make("p", { class: "notice" }, t("noStudies")));
  byId("studies").replaceChildren(...parts);
}

function showConnection({ connected, trouble }: Overview): void {
  byId("connection").hidden = connected;
  byId("retry").hidden = connected;
  byId("connection").textContent = connected
    ? ""
    : `${t("notConnected")} ${fixFor(trouble?.code ?? "no-bridge")}`;
}

function studyPart(study: Study, overview: Overview): HTMLElement {
  const title = `study-${study.study}`;
  const part = make(
    "article",
    { class: "study", "aria-labelledby": title },
    make("h2", { id: title }, study.title),
  );
  if (!study.live) {
    part.append(
      make("p", { class: "notice" }, t("studyRefused", study.refusal?.detail || study.refusal?.code || "")),
    );
  }
  part.append(
    factsOf(study),
    noticeOf(study),
    ...study.origins.map((origin) => question(study, origin, overview)),
  );
  return part;
}

function factsOf(study: Study): HTMLElement {
  const purposes = make("ul", {}, ...study.purposes.map((purpose) => make("li", {}, purpose.text)));
  const kinds = PAGE_KINDS.filter((kind) => study.levels[kind] !== undefined).map((kind) =>
    make(
      "li",
      {},
      t(`kind_${kind.replace(".", "_")}`),
      ...(TEXTLESS.has(kind)
        ? []
        : [" ", make("span", { class: "level" }, t(`level_${study.levels[kind]}`))]),
    ),
  );
  const hours = Math.round(study.hold_s / HOUR_S);
  const fact = (key: string, ...content: (Node | string)[]): Node[] => [
    make("dt", {}, t(key)),
    make("dd", {}, ...content),
  ];
  return make(
    "dl",
    { class: "facts" },
    ...fact("controller", study.controller),
    ...fact("contact", study.contact),
    ...fact("purposes", purposes),
    ...fact("recorded", make("ul", { class: "kinds" }, ...kinds)),
    ...fact("keeps", t("keepsText", hours, study.retention_days)),
  );
}

/** The notice scrolls by itself; the keyboard must reach it. */
function noticeOf(study: Study): HTMLElement {
  const title = `notice-${study.study}`;
  const text = make(
    "div",
    { class: "text", tabindex: "0", role: "region", "aria-labelledby": title },
    study.notice,
  );
  return make("section", { class: "wording" }, make("h3", { id: title }, t("notice")), text);
}

function question(study: Study, origin: string, overview: Overview): HTMLElement {
  const given = overview.answers[`${study.study}@${study.version}`]?.[origin];
  const said = given === undefined ? "answeredNone" : given === "yes" ? "answeredYes" : "answeredNo";
  const status = make("p", { role: "status", class: "said" }, t(said));
  const no = make("button", { type: "button", "aria-pressed": String(given === "no") }, t("no"));
  const yes = make("button", { type: "button", "aria-pressed": String(given === "yes") }, t("yes"));
  const taken = (answered: boolean): void => {
    no.setAttribute("aria-pressed", String(!answered));
    yes.setAttribute("aria-pressed", String(answered));
    status.textContent = t(answered ? "answeredYes" : "answeredNo");
  };
  no.addEventListener("click", () => void answer(study, origin, false, { status, taken }));
  yes.addEventListener("click", () => void answer(study, origin, true, { status, taken }));
  if (!study.live) yes.disabled = true;
  const asked = make("legend", {}, t("ask", origin));
  return make("fieldset", { class: "question" }, asked, make("div", { class: "pair" }, no, yes), status);
}

interface Shown {
  status: HTMLElement;
  taken(yes: boolean): void;
}

async function answer(study: Study, origin: string, yes: boolean, shown: Shown): Promise<void> {
  try {
    // The browser asks only in the course of a click: nothing may be waited for before.
    const pattern = patternFor(origin, __BROWSER__ === "chromium");
    const granted = yes && pattern !== null && (await chrome.permissions.request({ origins: [pattern] }));
    await ask({ ask: "answer", study: study.study, version: study.version, origin, yes: granted });
    shown.taken(granted);
    if (yes && !granted) shown.status.textContent = t("browserRefused");
  } catch (error) {
    shown.status.textContent = sorry(error);
  }
}

translate();
byId("connection").textContent = t("connecting");
byId("connection").hidden = false;
byId("retry").addEventListener("click", () => void ask({ ask: "retry" }).then(show));
show().catch((error) => {
  byId("connection").hidden = false;
  byId("connection").textContent = sorry(error);
});
