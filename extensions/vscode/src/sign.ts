// The sign in the status bar: it says that overt captures only while the sidecar itself says so.

import * as vscode from "vscode";
import type { Status, Study } from "./protocol";

const COMMANDS = ["overt.pause15", "overt.resume", "overt.forget", "overt.review", "overt.why", "overt.enable", "overt.walkthrough"];

export class Sign implements vscode.Disposable {
  private readonly item = vscode.window.createStatusBarItem("overt.sign", vscode.StatusBarAlignment.Right, 100);

  constructor() {
    this.item.name = "overt";
    this.item.command = "overt.menu";
    this.item.show();
  }

  /** Shows a status; `here` says whether the file in front is captured, and `recent` what was just kept. */
  show(status: Status, here: boolean, recent: readonly string[]): void {
    const { icon, word } = face(status, here);
    this.item.text = `$(${icon}) overt: ${word}`;
    this.item.accessibilityInformation = { label: `overt: ${word}`, role: "button" };
    this.item.tooltip = hover(status, here, recent);
  }

  dispose(): void {
    this.item.dispose();
  }
}

function face(status: Status, here: boolean): { icon: string; word: string } {
  if (status.state === "capturing") {
    return here ? { icon: "record", word: "capturing" } : { icon: "circle-outline", word: "capturing, not this file" };
  }
  return status.state === "paused" ? { icon: "debug-pause", word: "paused" } : { icon: "circle-slash", word: "off" };
}

function hover(status: Status, here: boolean, recent: readonly string[]): vscode.MarkdownString {
  const text = new vscode.MarkdownString("", true);
  text.isTrusted = { enabledCommands: COMMANDS };
  text.appendMarkdown(`**overt: ${face(status, here).word}**\n\n`);
  for (const reason of status.reasons) text.appendText(reason.detail).appendMarkdown("\n\n");
  if (status.pausedUntilMs !== null) text.appendMarkdown(`Until ${clock(status.pausedUntilMs)}.\n\n`);
  for (const study of status.studies) {
    text.appendText(study.title).appendMarkdown(`: ${counts(study)}\n\n`);
  }
  for (const line of recent.slice(0, 5)) text.appendText(line).appendMarkdown("\n\n");
  text.appendMarkdown(actions(status));
  return text;
}

function actions(status: Status): string {
  const look = "[Look at it](command:overt.review) · [Forget 10 minutes](command:overt.forget) · [This file?](command:overt.why)";
  if (status.state === "capturing") return `[Pause](command:overt.pause15) · ${look}`;
  return status.state === "paused" ? `[Resume](command:overt.resume) · ${look}` : "[Get started](command:overt.walkthrough)";
}

/** What one study has of this run, in words. */
export function counts(study: Pick<Study, "durable" | "findings" | "masked" | "documents">): string {
  const files = study.documents === 1 ? "1 file" : `${study.documents} files`;
  const masked = kinds(study.masked).map(([kind, count]) => `${count} ${kind}`);
  return `${study.durable} events kept, ${files} open, ${masked.length ? `masked: ${masked.join(", ")}` : "nothing to mask so far"}`;
}

/** What was masked, the most frequent kind first, in words rather than in the detectors' names. */
export function kinds(masked: Readonly<Record<string, number>>): [string, number][] {
  return Object.entries(masked)
    .map(([kind, count]): [string, number] => [kind.replaceAll("-", " "), count])
    .sort(([a, m], [b, n]) => n - m || a.localeCompare(b));
}

/** A time of day as the person writes it. */
export function clock(ms: number): string {
  return new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}
