// Joining a study from the editor: the notice in full, as `overt join` prints it, and a question whose default is no.

import { execFile } from "node:child_process";
import { homedir } from "node:os";
import * as vscode from "vscode";
import { homeFolder, overtCommand } from "./command";

const SCHEME = "overt-notice";
/** A command that has not answered by then has failed. */
const COMMAND_MS = 60_000;
const MAX_OUTPUT_BYTES = 4 << 20;

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** The words that start overt on this machine. */
export function startedBy(): readonly [string, ...string[]] {
  const chosen = vscode.workspace.getConfiguration("overt").inspect<string>("command")?.globalValue;
  return overtCommand(chosen, homeFolder(process.env, process.platform));
}

/** Runs the `overt` command outside of any workspace. */
export function overt(...args: string[]): Promise<Ran> {
  const [command, ...first] = startedBy();
  return new Promise((resolve) => {
    const options = { cwd: homedir(), timeout: COMMAND_MS, maxBuffer: MAX_OUTPUT_BYTES, env: { ...process.env, COLUMNS: "80", NO_COLOR: "1" } };
    execFile(command, [...first, ...args], options, (error, out, err) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
      resolve({ code, out, err: error !== null && err === "" ? error.message : err });
    });
  });
}

/** Shows notices as read-only documents. */
export class Notices implements vscode.TextDocumentContentProvider, vscode.Disposable {
  private readonly texts = new Map<string, string>();
  private readonly registration = vscode.workspace.registerTextDocumentContentProvider(SCHEME, this);
  private next = 0;

  provideTextDocumentContent(uri: vscode.Uri): string {
    return this.texts.get(uri.path) ?? "";
  }

  async show(title: string, text: string): Promise<void> {
    this.next += 1;
    const path = `/${this.next}/${title}`;
    this.texts.set(path, text);
    const document = await vscode.workspace.openTextDocument(vscode.Uri.from({ scheme: SCHEME, path }));
    await vscode.window.showTextDocument(document, { preview: false });
  }

  dispose(): void {
    this.registration.dispose();
  }
}

/** Asks for a study, shows its notice, and asks. Gives whether the person joined. */
export async function joinStudy(notices: Notices, storage: vscode.Uri): Promise<boolean> {
  const source = await chooseStudy();
  if (source === undefined) return false;
  // What is shown is what is agreed to: both commands read the same copy.
  const copy = vscode.Uri.joinPath(storage, "study.json");
  try {
    await vscode.workspace.fs.createDirectory(storage);
    await vscode.workspace.fs.copy(source, copy, { overwrite: true });
    return await ask(notices, copy.fsPath);
  } catch (error) {
    void vscode.window.showErrorMessage(`overt: the study could not be read. ${error instanceof Error ? error.message : ""}`);
    return false;
  } finally {
    await vscode.workspace.fs.delete(copy).then(undefined, () => undefined);
  }
}

async function chooseStudy(): Promise<vscode.Uri | undefined> {
  const path = await vscode.window.showInputBox({
    title: "Join a study",
    prompt: "The study's signed manifest (study.json): its full path. You will read the notice before you are asked.",
    placeHolder: "/path/to/study.json",
    ignoreFocusOut: true,
  });
  return path ? vscode.Uri.file(path.replace(/^~(?=\/)/, homedir())) : undefined;
}

async function ask(notices: Notices, manifest: string): Promise<boolean> {
  // Nobody can be asked at a pipe: the command prints the notice in full and declines to go on.
  const shown = await overt("join", manifest);
  if (shown.out.trim() === "") {
    void vscode.window.showErrorMessage(`overt: ${shown.err.trim() || "the study could not be read."}`);
    return false;
  }
  await notices.show("Notice of the study.txt", shown.out);
  const no = { label: "$(circle-slash) Not now", answer: "no" };
  const decline = { label: "$(x) No. Remember that", answer: "decline" };
  const yes = { label: "$(check) I have read the notice, and I agree", answer: "yes" };
  const picked = await vscode.window.showQuickPick([no, decline, yes], {
    title: "Do you want to join this study?",
    placeHolder: "You can leave at any time: overt leave",
    ignoreFocusOut: true,
  });
  if (picked === undefined || picked.answer === "no") return false;
  const answer = picked.answer === "yes" ? "--agree" : "--decline";
  const done = await overt("join", manifest, answer, "--json");
  if (done.code !== 0) {
    void vscode.window.showErrorMessage(`overt: ${errorOf(done)}`);
    return false;
  }
  return picked.answer === "yes";
}

/** What a command says went wrong, from its JSON or its words. */
export function errorOf(ran: Ran): string {
  try {
    const { error } = JSON.parse(ran.out) as { error: { message: string; hint: string } };
    return `${error.message}. ${error.hint}`;
  } catch {
    return ran.err.trim() || "the command failed.";
  }
}
