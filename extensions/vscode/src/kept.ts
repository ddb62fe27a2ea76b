// The view of what was just kept: what happened, in plain words and never with its text, and what each study has of it.

import * as vscode from "vscode";
import type { Told } from "./mirror";
import type { Status } from "./protocol";
import { clock, counts, kinds } from "./sign";

/** So many lines are shown; the review shows everything. */
const MAX_LINES = 50;
/** Edits of one kind in one file within this time are one line. */
const MERGE_MS = 10_000;
/** The counts are asked for at most so often, and only after something happened. */
const REFRESH_MS = 10_000;
/** While somebody looks at the view. */
const WATCHED_REFRESH_MS = 1_000;
/** What is masked in an edit is known once the typing rested for two seconds. */
const KNOWN_MS = 3_000;

const WORDS: Record<string, string> = {
  typed: "typed",
  pasted: "pasted",
  completion: "completed",
  agent: "changed by a program",
  formatter: "formatted",
  undo: "undone",
  redo: "redone",
  external: "changed on disk",
  unknown: "changed",
};

interface Line {
  readonly uri: string;
  readonly origin: string;
  readonly at: number;
  last: number;
  edits: number;
  inserted: number;
  deleted: number;
}

interface Node {
  readonly label: string;
  readonly detail: string;
  readonly icon: string;
  readonly hover: string;
  readonly uri?: vscode.Uri;
}

export class Kept implements vscode.TreeDataProvider<Node>, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<void>();
  private readonly view: vscode.TreeView<Node>;
  private lines: Line[] = [];
  private status: Status | undefined;
  private timer: NodeJS.Timeout | undefined;
  private readonly drawn = new vscode.EventEmitter<Status>();
  /** After the counts were asked for. */
  readonly onCounts = this.drawn.event;
  readonly onDidChangeTreeData = this.changed.event;

  constructor(private readonly counted: () => Promise<Status>) {
    this.view = vscode.window.createTreeView("overt.kept", { treeDataProvider: this });
    this.view.onDidChangeVisibility(({ visible }) => {
      if (!visible) return;
      clearTimeout(this.timer);
      this.timer = undefined;
      this.later();
    });
  }

  /** Takes over a status; whatever is not captured any more is not shown as kept. */
  follow(status: Status): void {
    this.status = status;
    this.view.description = status.state;
    if (status.state === "off") this.lines = [];
    this.changed.fire();
    this.drawn.fire(status);
  }

  add(told: Told): void {
    const now = Date.now();
    const top = this.lines[0];
    if (top?.uri === told.uri && top.origin === told.verdict.origin && now - top.last < MERGE_MS) {
      top.last = now;
      top.edits += 1;
      top.inserted += told.inserted;
      top.deleted += told.deleted;
    } else {
      const { uri, verdict, inserted, deleted } = told;
      this.lines.unshift({ uri, origin: verdict.origin, at: now, last: now, edits: 1, inserted, deleted });
      this.lines.length = Math.min(this.lines.length, MAX_LINES);
    }
    this.later();
  }

  /** Lets go of what was forgotten. */
  clear(): void {
    this.lines = [];
    this.changed.fire();
  }

  /** The newest lines as plain sentences. */
  recent(): string[] {
    return this.lines.map((line) => `${clock(line.last)} ${nameOf(line.uri)}: ${sentence(line)}`);
  }

  getTreeItem(node: Node): vscode.TreeItem {
    const item = new vscode.TreeItem(node.label);
    item.description = node.detail;
    item.tooltip = node.hover;
    item.iconPath = new vscode.ThemeIcon(node.icon);
    item.accessibilityInformation = { label: `${node.label}, ${node.detail}` };
    if (node.uri) item.command = { command: "vscode.open", title: "Open", arguments: [node.uri] };
    return item;
  }

  getChildren(): Node[] {
    if (this.status === undefined || (this.status.studies.length === 0 && this.lines.length === 0)) return [];
    const studies = this.status.studies.flatMap((each) => [
      {
        label: `${each.durable} kept, ${each.findings} masked`,
        detail: each.title,
        icon: each.live ? "record" : "circle-slash",
        hover: `${each.title}: ${counts(each)}.`,
      },
      ...kinds(each.masked).map(([kind, count]) => ({
        label: `masked: ${count} ${kind}`,
        detail: each.title,
        icon: "eye-closed",
        hover: `${count} ${kind}: taken out of what is kept for ${each.title}, also where it was typed letter by letter.`,
      })),
    ]);
    const lines = this.lines.map((line) => ({
      label: sentence(line),
      detail: `${nameOf(line.uri)} ${clock(line.last)}`,
      icon: "edit",
      hover: `${nameOf(line.uri)}: ${sentence(line)}. Its text is not shown here; the review has it.`,
      uri: vscode.Uri.parse(line.uri),
    }));
    return [...studies, ...lines];
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.view.dispose();
    this.changed.dispose();
    this.drawn.dispose();
  }

  private later(): void {
    if (this.timer !== undefined) return;
    const refresh = (): void => {
      this.timer = undefined;
      if (Date.now() - (this.lines[0]?.last ?? 0) < KNOWN_MS) this.later();
      this.counted().then(
        (status) => this.follow(status),
        () => this.changed.fire(),
      );
    };
    this.timer = setTimeout(refresh, this.view.visible ? WATCHED_REFRESH_MS : REFRESH_MS);
  }
}

function sentence(line: Line): string {
  const parts = [line.inserted ? `${line.inserted} in` : "", line.deleted ? `${line.deleted} out` : ""].filter(Boolean);
  return `${WORDS[line.origin] ?? line.origin}: ${parts.join(", ")}`;
}

function nameOf(uri: string): string {
  return decodeURIComponent(uri.slice(uri.lastIndexOf("/") + 1));
}
