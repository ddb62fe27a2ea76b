/** What the browser lets us into: permissions, and the content script that is registered for them and nothing else. */

import { originMatches, patternFor } from "../shared/origins.ts";
import type { Answers } from "./gate.ts";

const SCRIPT = "page";
const FILE = "page.js";
const SHEET = "sign.css";
/** Patterns with a port match nothing in Firefox: there the port is held against the study's by us alone. */
const WITH_PORT = __BROWSER__ === "chromium";
/** Without its sheet the sign is not shown in Firefox, which takes it away when the extension goes. */
const SHEETS = __BROWSER__ === "firefox" ? { css: [SHEET], cssOrigin: "user" } : {};

/** Gives the pattern to ask the browser for. */
export function permissionFor(origin: string): string | null {
  return patternFor(origin, WITH_PORT);
}

/** Asks the browser whether a page's origin is granted, now. */
export async function isPermitted(origin: string | null): Promise<boolean> {
  const pattern = origin === null ? null : permissionFor(origin);
  return pattern !== null && (await chrome.permissions.contains({ origins: [pattern] }));
}

/** The origins that the person said yes to, as studies name them. */
export function agreedOrigins(answers: Answers): string[] {
  const origins = Object.values(answers).flatMap((given) =>
    Object.keys(given).filter((key) => given[key] === "yes"),
  );
  return [...new Set(origins)].sort();
}

/** Registers the content script for what is both agreed and granted. Says for which patterns. */
export async function syncScripts(answers: Answers): Promise<string[]> {
  const matches: string[] = [];
  for (const origin of agreedOrigins(answers)) {
    const pattern = permissionFor(origin);
    if (pattern !== null && (await isPermitted(origin))) matches.push(pattern);
  }
  const wanted = [...new Set(matches)];
  const [before] = await chrome.scripting.getRegisteredContentScripts({ ids: [SCRIPT] });
  const isAsBefore = JSON.stringify(before?.matches ?? []) === JSON.stringify(wanted);
  const hasSheets = (before?.css ?? []).join() === (SHEETS.css ?? []).join();
  if (isAsBefore && (before === undefined || hasSheets)) return wanted;
  if (before !== undefined) await chrome.scripting.unregisterContentScripts({ ids: [SCRIPT] });
  if (wanted.length > 0) {
    await chrome.scripting.registerContentScripts([
      {
        id: SCRIPT,
        js: [FILE],
        ...SHEETS,
        matches: wanted,
        allFrames: true,
        matchOriginAsFallback: true,
        runAt: "document_start",
        persistAcrossSessions: true,
      },
    ]);
  }
  return wanted;
}

/** Puts the content script into pages that were open before it was registered, or before an update. */
export async function injectInto(patterns: readonly string[]): Promise<void> {
  if (patterns.length === 0) return;
  for (const tab of await chrome.tabs.query({ url: [...patterns] })) {
    if (tab.id === undefined || tab.incognito || tab.discarded) continue;
    await inject(tab.id).catch(() => undefined);
  }
}

/** Fails for a tab that closes in between, or shows the browser's own page: it is none of ours. */
async function inject(tabId: number): Promise<void> {
  const { css } = SHEETS;
  if (css !== undefined) await chrome.scripting.insertCSS({ target: { tabId }, files: css, origin: "USER" });
  const target = { tabId, allFrames: true };
  await chrome.scripting.executeScript({ target, files: [FILE], injectImmediately: true });
}

/** Gives back the browser's permission for an origin, unless another agreed origin needs the same pattern. */
export async function giveBack(origin: string, answers: Answers): Promise<void> {
  const pattern = permissionFor(origin);
  const others = agreedOrigins(answers).filter((other) => other !== origin);
  const needed = others.some((other) => permissionFor(other) === pattern || originMatches(other, origin));
  if (pattern !== null && !needed) await chrome.permissions.remove({ origins: [pattern] });
}
