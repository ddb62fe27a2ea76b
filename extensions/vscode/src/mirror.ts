// What the sidecar is told about documents: those that are shown and that it may capture, and no others.
//
// A document is named to the sidecar before any of its text is; only when the gate wants it, its text follows. One
// change waits for the selection that comes with it (some milliseconds), which tells who made it.

import * as vscode from "vscode";
import { isDenied } from "./denied";
import { type Change, Lines, type Span } from "./lines";
import { type Mover, type Observed, type Replacement, type Verdict, judge } from "./origin";
import type { Sidecar } from "./sidecar";

/** A change whose selection has not come by then did not move the caret. */
const SELECTION_MS = 40;
/** A document that is not dirty by then after its change was reloaded from its file. */
const DIRTY_MS = 250;
/** Scrolling tells where it came to rest, at most so often. */
const VIEWPORT_MS = 250;
/** A rename that was announced and did not happen is forgotten. */
const RENAME_MS = 10_000;

interface Entry {
  readonly lines: Lines;
  saving: boolean;
  /** The lines in view as they were told last. */
  view?: string;
}

interface Pending {
  readonly uri: string;
  readonly version: number;
  readonly at: number;
  readonly seen: Omit<Observed, "mover" | "after" | "dirty">;
  timer: NodeJS.Timeout;
  dirty: boolean;
  mover: Mover;
  after: Span | undefined;
  /** What is told right after it. */
  then?: () => void;
}

export interface Told {
  readonly uri: string;
  readonly verdict: Verdict;
  readonly inserted: number;
  readonly deleted: number;
}

export class Mirror implements vscode.Disposable {
  private readonly told = new Map<string, Entry>();
  private readonly asking = new Set<string>();
  private readonly refused = new Map<string, readonly string[]>();
  private readonly renaming = new Map<string, { to: string; timer: NodeJS.Timeout }>();
  private readonly viewports = new Map<string, NodeJS.Timeout>();
  private readonly edited = new vscode.EventEmitter<Told>();
  private readonly parts: vscode.Disposable[];
  private pending: Pending | undefined;
  private capturing = false;
  private excluded: vscode.DocumentSelector = [];
  private readonly shown = new vscode.EventEmitter<void>();
  readonly onEdit = this.edited.event;
  /** After documents were opened or let go of. */
  readonly onShown = this.shown.event;

  constructor(private readonly sidecar: () => Sidecar) {
    const { workspace, window } = vscode;
    this.readExcluded();
    this.parts = [
      workspace.onDidChangeTextDocument((event) => this.change(event)),
      workspace.onWillSaveTextDocument((event) => this.saving(event.document)),
      workspace.onDidSaveTextDocument((document) => this.saved(document)),
      workspace.onDidCloseTextDocument((document) => this.close(document)),
      workspace.onWillRenameFiles((event) => this.willRename(event)),
      workspace.onDidRenameFiles((event) => this.renamed(event)),
      workspace.onDidChangeConfiguration((event) => event.affectsConfiguration("overt.exclude") && this.narrowed()),
      window.onDidChangeVisibleTextEditors(() => this.showVisible()),
      window.onDidChangeActiveTextEditor((editor) => editor && this.activated(editor)),
      window.onDidChangeTextEditorSelection((event) => this.selected(event)),
      window.onDidChangeTextEditorVisibleRanges((event) => this.scrolled(event.textEditor)),
    ];
  }

  /** Whether the sidecar may hear about a document: the fence at the way out asks this. */
  has(uri: string): boolean {
    return this.told.has(uri);
  }

  /** Why a document is not sent for reasons that lie in the editor; undefined when it may be asked about. */
  obstacle(document: vscode.TextDocument): string | undefined {
    if (document.uri.scheme !== "file") return "Only files on this machine are captured.";
    if (isDenied(document.uri.path)) return "Files of this kind are never captured.";
    if (vscode.languages.match(this.excluded, document) > 0) return 'Your setting "overt.exclude" keeps it out.';
    return undefined;
  }

  /** Takes up or lets go of everything, as capture goes on or off. */
  follow(capturing: boolean): void {
    if (!capturing) {
      this.capturing = false;
      this.forgetAll();
      return;
    }
    // What the sidecar let go of comes back where it may: after events of the session were forgotten elsewhere.
    if (this.capturing) void this.askAgain().then(() => this.showVisible());
    this.capturing = true;
    this.refused.clear();
    this.showVisible();
  }

  /** Opens what is shown anew, after what was known of it was forgotten. */
  reopen(): void {
    if (!this.capturing) return;
    this.forgetAll();
    this.showVisible();
  }

  /** Tells what waits; called before anything that must come after it. */
  flush(): void {
    if (this.pending) this.tell(this.pending);
  }

  dispose(): void {
    this.flush();
    this.forgetAll();
    this.edited.dispose();
    this.shown.dispose();
    for (const part of this.parts) part.dispose();
  }

  // --- documents come and go

  private showVisible(): void {
    if (!this.capturing) return;
    for (const editor of vscode.window.visibleTextEditors) void this.show(editor);
  }

  private async show(editor: vscode.TextEditor): Promise<void> {
    const document = editor.document;
    const uri = document.uri.toString();
    if (this.told.has(uri) || this.asking.has(uri) || this.refused.has(uri) || this.awaited(uri)) return;
    if (this.obstacle(document) !== undefined) return;
    this.asking.add(uri);
    try {
      const why = await this.sidecar().why(uri);
      if (!this.capturing || document.isClosed || this.told.has(uri)) return;
      if (why.refusals.length > 0 && !why.captured) {
        this.refused.set(uri, why.refusals.map((each) => each.code));
        return;
      }
      this.open(document);
      this.scrolled(editor);
      if (editor === vscode.window.activeTextEditor) this.tellSelection(uri, editor.selections);
    } catch {
      // The sidecar went; the next status begins anew.
    } finally {
      this.asking.delete(uri);
    }
  }

  private open(document: vscode.TextDocument): void {
    this.flush();
    const uri = document.uri.toString();
    const text = document.getText();
    this.told.set(uri, { lines: new Lines(text), saving: false });
    this.sidecar().notify("textDocument/didOpen", {
      textDocument: { uri, languageId: document.languageId, version: document.version, text },
    });
    this.shown.fire();
  }

  private close(document: vscode.TextDocument): void {
    const uri = document.uri.toString();
    this.refused.delete(uri);
    if (!this.told.has(uri) || this.renaming.has(uri)) return;
    this.flush();
    this.sidecar().notify("textDocument/didClose", { textDocument: { uri } });
    this.letGo(uri);
  }

  private saving(document: vscode.TextDocument): void {
    const entry = this.told.get(document.uri.toString());
    if (entry === undefined) return;
    this.flush();
    entry.saving = true;
  }

  private saved(document: vscode.TextDocument): void {
    const uri = document.uri.toString();
    const entry = this.told.get(uri);
    if (entry === undefined) return;
    this.flush();
    entry.saving = false;
    this.sidecar().notify("textDocument/didSave", { textDocument: { uri }, text: document.getText() });
  }

  // --- renames: the editor closes the old name and opens the new one before it says that a file was renamed

  private willRename(event: vscode.FileWillRenameEvent): void {
    for (const { oldUri, newUri } of event.files) {
      const folder = `${oldUri.toString()}/`;
      for (const uri of this.told.keys()) {
        if (uri !== oldUri.toString() && !uri.startsWith(folder)) continue;
        const to = newUri.toString() + uri.slice(oldUri.toString().length);
        const timer = setTimeout(() => this.abandonRename(uri), RENAME_MS);
        this.renaming.set(uri, { to, timer });
      }
    }
  }

  private renamed(event: vscode.FileRenameEvent): void {
    this.flush();
    for (const { oldUri } of event.files) {
      const folder = `${oldUri.toString()}/`;
      for (const [uri, { to, timer }] of [...this.renaming]) {
        if (uri !== oldUri.toString() && !uri.startsWith(folder)) continue;
        clearTimeout(timer);
        this.sidecar().notify("workspace/didRenameFiles", { files: [{ oldUri: uri, newUri: to }] });
        const entry = this.told.get(uri);
        this.letGo(uri);
        this.renaming.delete(uri);
        if (entry !== undefined && this.isOpen(to)) this.told.set(to, entry);
      }
    }
    void this.askAgain();
    this.showVisible();
  }

  private abandonRename(uri: string): void {
    this.renaming.delete(uri);
    if (this.told.has(uri) && !this.isOpen(uri)) {
      this.sidecar().notify("textDocument/didClose", { textDocument: { uri } });
      this.letGo(uri);
    }
    this.showVisible();
  }

  private isOpen(uri: string): boolean {
    const document = vscode.workspace.textDocuments.find((each) => each.uri.toString() === uri);
    return document !== undefined && this.obstacle(document) === undefined;
  }

  private awaited(uri: string): boolean {
    return [...this.renaming.values()].some((each) => each.to === uri);
  }

  // --- edits and what comes with them

  private change(event: vscode.TextDocumentChangeEvent): void {
    const uri = event.document.uri.toString();
    const entry = this.told.get(uri);
    if (entry === undefined) return;
    if (event.contentChanges.length === 0) {
      if (event.document.isDirty) this.becameDirty(uri);
      return;
    }
    this.flush();
    const editor = vscode.window.activeTextEditor;
    const active = editor?.document === event.document;
    const touched = new Map<number, string>();
    for (const { range } of event.contentChanges) remember(entry.lines, range, touched);
    const before = active ? editor.selections.map(spanOf) : [];
    for (const span of before) remember(entry.lines, span, touched);
    const changes: Replacement[] = event.contentChanges.map(({ range, text }) => {
      const change: Change = { ...spanOf(range), text };
      return { ...change, deleted: entry.lines.apply(change) };
    });
    const seen = {
      changes,
      reason: reasonOf(event.reason),
      saving: entry.saving,
      active,
      before,
      lineBefore: (line: number) => touched.get(line) ?? "",
    };
    const { version, isDirty: dirty } = event.document;
    const timer = setTimeout(() => this.flush(), dirty ? SELECTION_MS : DIRTY_MS);
    this.pending = { uri, version, at: Date.now(), seen, timer, dirty, mover: "none", after: undefined };
    // Where no selection can add anything, nothing is waited for.
    if (seen.reason !== undefined || entry.saving) this.flush();
  }

  /** That a document differs from its file now may be told after the change that made it so. */
  private becameDirty(uri: string): void {
    const pending = this.pending;
    if (pending?.uri !== uri || pending.dirty) return;
    pending.dirty = true;
    clearTimeout(pending.timer);
    if (pending.mover === "none") pending.timer = setTimeout(() => this.flush(), SELECTION_MS);
    else this.flush();
  }

  private tell({ uri, version, at, dirty, seen, timer, mover, after, then }: Pending): void {
    this.pending = undefined;
    clearTimeout(timer);
    const verdict = judge({ ...seen, mover, after, dirty });
    if (verdict.origin === "completion") {
      const longest = seen.changes.reduce((most, each) => Math.max(most, [...each.text].length), 0);
      this.sidecar().notify("overt/completionAccepted", { uri, length: longest }, at);
    }
    const contentChanges = seen.changes.map(({ start, end, text }) => ({ range: { start, end }, text }));
    this.sidecar().notify("textDocument/didChange", { textDocument: { uri, version }, contentChanges, overt: verdict }, at);
    then?.();
    this.edited.fire({
      uri,
      verdict,
      inserted: seen.changes.reduce((sum, each) => sum + each.text.length, 0),
      deleted: seen.changes.reduce((sum, each) => sum + each.deleted.length, 0),
    });
  }

  private selected(event: vscode.TextEditorSelectionChangeEvent): void {
    const uri = event.textEditor.document.uri.toString();
    if (!this.told.has(uri)) return;
    const first = event.selections[0];
    if (first === undefined) return;
    const pending = this.pending;
    if (pending?.uri === uri && pending.mover === "none" && event.textEditor === vscode.window.activeTextEditor) {
      pending.mover = moverOf(event.kind);
      pending.after = spanOf(first);
      // The edit itself says where the caret is now, mostly.
      if (!follows(event.selections, pending.seen.changes)) pending.then = () => this.tellSelection(uri, event.selections, event.kind);
      if (pending.mover === "keyboard" || pending.dirty) this.flush();
      return;
    }
    this.flush();
    this.tellSelection(uri, event.selections, event.kind);
  }

  private tellSelection(uri: string, selections: readonly vscode.Selection[], kind?: vscode.TextEditorSelectionChangeKind): void {
    const first = selections[0];
    if (first === undefined) return;
    this.sidecar().notify("overt/selection", {
      uri,
      anchor: placeOf(first.anchor),
      active: placeOf(first.active),
      count: selections.length,
      cause: causeOf(kind),
    });
  }

  private activated(editor: vscode.TextEditor): void {
    const uri = editor.document.uri.toString();
    if (!this.told.has(uri)) return;
    this.flush();
    this.tellSelection(uri, editor.selections);
    this.scrolled(editor);
  }

  private scrolled(editor: vscode.TextEditor): void {
    const uri = editor.document.uri.toString();
    const entry = this.told.get(uri);
    // The editor says so at every edit, too; mostly nothing was scrolled.
    if (entry === undefined || this.viewports.has(uri) || viewOf(editor) === entry.view) return;
    this.viewports.set(
      uri,
      setTimeout(() => {
        this.viewports.delete(uri);
        const first = editor.visibleRanges[0];
        const last = editor.visibleRanges.at(-1);
        if (this.told.get(uri) !== entry || first === undefined || last === undefined || viewOf(editor) === entry.view) return;
        entry.view = viewOf(editor);
        this.flush();
        this.sidecar().notify("overt/viewport", { uri, firstLine: first.start.line, lastLine: last.end.line });
      }, VIEWPORT_MS),
    );
  }

  // --- letting go

  /** A narrower scope ends what it does not cover: the sidecar is asked again about everything that it was told. */
  private async askAgain(): Promise<void> {
    for (const uri of [...this.told.keys()]) {
      try {
        const why = await this.sidecar().why(uri);
        if (!why.captured) this.letGo(uri);
      } catch {
        return;
      }
    }
  }

  private narrowed(): void {
    this.readExcluded();
    for (const uri of [...this.told.keys()]) {
      if (this.isOpen(uri)) continue;
      this.flush();
      this.sidecar().notify("textDocument/didClose", { textDocument: { uri } });
      this.letGo(uri);
    }
    this.showVisible();
  }

  private readExcluded(): void {
    const globs = vscode.workspace.getConfiguration("overt").get<string[]>("exclude", []);
    this.excluded = globs.map((pattern) => ({ scheme: "file", pattern: pattern.includes("/") ? pattern : `**/${pattern}` }));
  }

  private letGo(uri: string): void {
    if (this.pending?.uri === uri) {
      clearTimeout(this.pending.timer);
      this.pending = undefined;
    }
    clearTimeout(this.viewports.get(uri));
    this.viewports.delete(uri);
    if (this.told.delete(uri)) this.shown.fire();
  }

  private forgetAll(): void {
    for (const uri of [...this.told.keys()]) this.letGo(uri);
    for (const { timer } of this.renaming.values()) clearTimeout(timer);
    this.renaming.clear();
    this.refused.clear();
  }
}

function viewOf(editor: vscode.TextEditor): string {
  return `${editor.visibleRanges[0]?.start.line}-${editor.visibleRanges.at(-1)?.end.line}`;
}

function remember(lines: Lines, span: { start: { line: number }; end: { line: number } }, into: Map<number, string>): void {
  for (const line of [span.start.line, span.end.line]) into.set(line, lines.line(line));
}

function placeOf(place: vscode.Position): { line: number; character: number } {
  return { line: place.line, character: place.character };
}

function spanOf(range: vscode.Range): Span {
  return { start: placeOf(range.start), end: placeOf(range.end) };
}

function reasonOf(reason: vscode.TextDocumentChangeReason | undefined): "undo" | "redo" | undefined {
  if (reason === vscode.TextDocumentChangeReason.Undo) return "undo";
  return reason === vscode.TextDocumentChangeReason.Redo ? "redo" : undefined;
}

function moverOf(kind: vscode.TextEditorSelectionChangeKind | undefined): Mover {
  const cause = causeOf(kind);
  return cause === "unknown" ? "program" : cause;
}

function causeOf(kind: vscode.TextEditorSelectionChangeKind | undefined): "keyboard" | "mouse" | "command" | "unknown" {
  if (kind === vscode.TextEditorSelectionChangeKind.Keyboard) return "keyboard";
  if (kind === vscode.TextEditorSelectionChangeKind.Mouse) return "mouse";
  return kind === vscode.TextEditorSelectionChangeKind.Command ? "command" : "unknown";
}

/** Whether the carets stand where the changes end: nobody needs to be told that. */
function follows(selections: readonly vscode.Selection[], changes: readonly Replacement[]): boolean {
  if (selections.length !== 1 || changes.length !== 1) return false;
  const [selection] = selections;
  const [change] = changes;
  if (selection === undefined || change === undefined || !selection.isEmpty) return false;
  const lines = change.text.split(/\r\n|\r|\n/);
  const line = change.start.line + lines.length - 1;
  const last = lines.at(-1)?.length ?? 0;
  const character = lines.length === 1 ? change.start.character + last : last;
  return selection.active.line === line && selection.active.character === character;
}
