/** The popup: how this site stands, what was taken here today, pause, forget, review. */

import { originMatches } from "../shared/origins.ts";
import type { Overview } from "../shared/ui.ts";
import { ask, byId, fixFor, sorry, t, translate } from "./dom.ts";

const PAUSE_MINUTES = 15;
const FORGET_MINUTES = 10;

interface Today {
  events: number;
  masked: number;
}

async function show(): Promise<void> {
  const [tab] = await chrome.tabs.query({ active: true, currentWindow: true });
  const overview = await ask<Overview>({ ask: "overview", tab: tab?.id ?? null });
  showStatus(overview);
  showSite(overview);
  await showToday(overview);
}

function showStatus({ connected, trouble, state, tab }: Overview): void {
  const status = byId("status");
  const paused = state?.capture === "paused";
  // Without the bridge a page is recorded for a minute more: it may only be starting again.
  const on = tab?.capturing === true;
  status.className = `status ${on ? "on" : paused ? "paused" : "off"}`;
  const until = state?.paused_until_ms;
  const text = on ? t("statusOn") : paused ? t("statusPaused") : t("statusOff");
  const when = paused && until != null ? ` ${t("statusUntil", clock(until))}` : "";
  status.textContent = text + when;
  byId("pause").hidden = paused;
  byId("resume").hidden = !paused;
  if (!connected) byId("said").textContent = fixFor(trouble?.code ?? "no-bridge");
}

function showSite({ tab, connected }: Overview): void {
  const origin = byId("origin");
  origin.hidden = tab === null;
  origin.textContent = tab?.origin ?? "";
  byId("site").textContent =
    tab === null ? t("siteUnknown") : tab.capturing ? t("siteOn") : why(tab.refused, connected);
  byId("stop").hidden = tab?.capturing !== true;
}

function why(code: string | null, connected: boolean): string {
  const key = connected ? code : "no-bridge";
  return key === null ? t("siteOff") : `${t("siteOff")} ${t(`why_${key.replaceAll("-", "_")}`)}`;
}

async function showToday({ tab, connected }: Overview): Promise<void> {
  byId("today-part").hidden = tab === null;
  if (tab === null) return;
  try {
    if (!connected) throw new Error("not connected");
    const today = await ask<Today>({ ask: "request", method: "today", params: { origin: tab.origin } });
    byId("today").textContent = t("todayCount", today.events, today.masked);
  } catch {
    byId("today").textContent = t("todayUnknown");
  }
}

function clock(ms: number): string {
  return new Date(ms).toLocaleTimeString(t("language"), { hour: "2-digit", minute: "2-digit" });
}

/** Does something for a button, and says what came of it. */
function onClick(id: string, work: () => Promise<string>): void {
  byId(id).addEventListener("click", async () => {
    byId("said").textContent = await work().catch(sorry);
    await show().catch(() => undefined);
  });
}

function askWhetherSure(sure: boolean): void {
  byId("sure").hidden = !sure;
  byId("forget").hidden = sure;
  byId(sure ? "forget-no" : "forget").focus();
}

async function stopHere(): Promise<string> {
  const [tab] = await chrome.tabs.query({ active: true, currentWindow: true });
  const overview = await ask<Overview>({ ask: "overview", tab: tab?.id ?? null });
  const origin = overview.tab?.origin;
  for (const study of overview.state?.studies ?? []) {
    for (const named of study.origins.filter((each) => origin !== undefined && originMatches(each, origin))) {
      await ask({
        ask: "answer",
        study: study.study,
        version: study.version,
        origin: named,
        yes: false,
      });
    }
  }
  return "";
}

translate();
onClick("pause", async () => {
  await ask({ ask: "request", method: "pause", params: { minutes: PAUSE_MINUTES } });
  return "";
});
onClick("resume", async () => {
  await ask({ ask: "request", method: "resume", params: {} });
  return "";
});
onClick("stop", stopHere);
onClick("review", async () => {
  await ask({ ask: "request", method: "review", params: {} });
  return t("reviewOpened");
});
byId("forget").addEventListener("click", () => askWhetherSure(true));
byId("forget-no").addEventListener("click", () => askWhetherSure(false));
onClick("forget-yes", async () => {
  askWhetherSure(false);
  const params = { minutes: FORGET_MINUTES };
  const { events } = await ask<{ events: number }>({ ask: "request", method: "forget", params });
  return t("forgot", events);
});
show().catch((error) => {
  byId("said").textContent = sorry(error);
});
