/** The toolbar's sign: which tabs are captured, and whether something wants attention. */

const RED = "#c4314b";
const GREY = "#5b6270";
const AMBER = "#9a5b00";

export interface Overall {
  paused: boolean;
  trouble: boolean;
  unanswered: boolean;
}

interface Badge {
  /** Null where the tab has none of its own. */
  text: string | null;
  color: string;
  title: string;
}

const ON: Badge = { text: "REC", color: RED, title: "badgeOn" };

let shownTabs = new Set<number>();
/** Tabs that were captured once: colour and title of a tab stay its own until it is closed. */
let ownTabs = new Set<number>();
let shownOverall = "";

/** Shows how things stand; says nothing twice. */
export async function showBadge(captured: readonly number[], overall: Overall): Promise<void> {
  const now = JSON.stringify(overall);
  const sign = overallSign(overall);
  const changed = now !== shownOverall;
  if (changed) {
    shownOverall = now;
    await chrome.action.setBadgeText({ text: sign.text ?? "" });
    await chrome.action.setBadgeBackgroundColor({ color: sign.color });
    await chrome.action.setTitle({ title: chrome.i18n.getMessage(sign.title) });
  }
  const [tabs, before] = [new Set(captured), shownTabs];
  shownTabs = tabs;
  for (const tab of tabs) if (!before.has(tab)) await showTab(tab, ON);
  for (const tab of ownTabs)
    if (!tabs.has(tab) && (changed || before.has(tab))) await showTab(tab, { ...sign, text: null });
  ownTabs = new Set([...ownTabs, ...tabs]);
}

function overallSign({ paused, trouble, unanswered }: Overall): Badge {
  if (trouble) return { text: "!", color: AMBER, title: "badgeTrouble" };
  if (paused) return { text: "II", color: GREY, title: "badgePaused" };
  if (unanswered) return { text: "?", color: AMBER, title: "badgeUnanswered" };
  return { text: "", color: GREY, title: "badgeOff" };
}

async function showTab(tabId: number, { text, color, title }: Badge): Promise<void> {
  // A tab may be gone by now. Without a text of its own it shows what all show; Firefox wants that said by a null.
  const gone = (): void => {
    ownTabs.delete(tabId);
  };
  await chrome.action.setBadgeText({ tabId, text: text as string }).catch(gone);
  await chrome.action.setBadgeBackgroundColor({ tabId, color }).catch(gone);
  await chrome.action.setTitle({ tabId, title: chrome.i18n.getMessage(title) }).catch(gone);
}
