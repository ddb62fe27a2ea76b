/** The toolbar's sign: which tabs are captured, and whether something wants attention. */

const RED = "#c4314b";
const GREY = "#5b6270";
const AMBER = "#9a5b00";

export interface Overall {
  paused: boolean;
  trouble: boolean;
  unanswered: boolean;
}

let shownTabs = new Set<number>();
let shownOverall = "";

/** Shows how things stand; says nothing twice. */
export async function showBadge(captured: readonly number[], overall: Overall): Promise<void> {
  const now = JSON.stringify(overall);
  if (now !== shownOverall) {
    shownOverall = now;
    const { text, color, title } = overallSign(overall);
    await chrome.action.setBadgeText({ text });
    await chrome.action.setBadgeBackgroundColor({ color });
    await chrome.action.setTitle({ title: chrome.i18n.getMessage(title) });
  }
  const tabs = new Set(captured);
  for (const tab of tabs) if (!shownTabs.has(tab)) await showTab(tab, true);
  for (const tab of shownTabs) if (!tabs.has(tab)) await showTab(tab, false);
  shownTabs = tabs;
}

function overallSign({ paused, trouble, unanswered }: Overall): {
  text: string;
  color: string;
  title: string;
} {
  if (trouble) return { text: "!", color: AMBER, title: "badgeTrouble" };
  if (paused) return { text: "II", color: GREY, title: "badgePaused" };
  if (unanswered) return { text: "?", color: AMBER, title: "badgeUnanswered" };
  return { text: "", color: GREY, title: "badgeOff" };
}

async function showTab(tabId: number, on: boolean): Promise<void> {
  // A tab may be gone by now.
  const gone = (): undefined => undefined;
  const { text, color, title } = on
    ? { text: "REC", color: RED, title: "badgeOn" }
    : { text: null, color: GREY, title: "badgeOff" };
  await chrome.action.setBadgeText(text === null ? { tabId } : { tabId, text }).catch(gone);
  if (on) await chrome.action.setBadgeBackgroundColor({ tabId, color }).catch(gone);
  await chrome.action.setTitle({ tabId, title: chrome.i18n.getMessage(title) }).catch(gone);
}
