// overt for VS Code: starts the sidecar when the person enabled it, tells it what is shown, and shows what it does.

import { spawn } from "node:child_process";
import { homedir } from "node:os";
import * as vscode from "vscode";
import { Notices, joinStudy, startedBy } from "./consent";
import { Kept } from "./kept";
import { Mirror } from "./mirror";
import { type Status, off } from "./protocol";
import { Sidecar } from "./sidecar";
import { Sign } from "./sign";
import { watchSignals } from "./signals";

const PAUSE_MINUTES = 15;
const FORGET_MINUTES = 10;
const PAUSED_BY = "overt.pausedBySession";
const REVIEW_MS = 3_000;

let overt: Overt | undefined;

export function activate(context: vscode.ExtensionContext): void {
  overt = new Overt(context);
  context.subscriptions.push(overt);
}

export async function deactivate(): Promise<void> {
  await overt?.end();
}

class Overt implements vscode.Disposable {
  private readonly log = vscode.window.createOutputChannel("overt", { log: true });
  private readonly sign = new Sign();
  private readonly mirror: Mirror;
  private readonly sidecar: Sidecar;
  private readonly kept: Kept;
  private readonly notices = new Notices();
  private readonly parts: vscode.Disposable[];

  constructor(private readonly context: vscode.ExtensionContext) {
    this.sidecar = new Sidecar(this.log, (uri) => this.mirror.has(uri));
    this.mirror = new Mirror(() => this.sidecar);
    this.kept = new Kept(() => this.sidecar.refresh());
    this.parts = [
      this.sidecar.onStatus((status) => this.follow(status)),
      this.sidecar.onGaveUp((words) => void this.explainOff(words)),
      this.mirror.onEdit((told) => this.kept.add(told)),
      this.kept.onCounts((status) => this.draw(status)),
      this.mirror.onShown(() => this.draw()),
      watchSignals((method, params) => this.sidecar.notify(method, params)),
      vscode.window.onDidChangeActiveTextEditor(() => this.draw()),
      vscode.env.onDidChangeTelemetryEnabled(() => void this.decide()),
      vscode.workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration("overt.enabled") || event.affectsConfiguration("overt.command")) void this.decide(true);
      }),
      ...this.commands(),
    ];
    this.follow(this.sidecar.status);
    void this.decide();
  }

  async end(): Promise<void> {
    this.mirror.flush();
    await this.sidecar.stop();
  }

  dispose(): void {
    for (const part of this.parts) part.dispose();
    this.mirror.dispose();
    this.sidecar.dispose();
    this.kept.dispose();
    this.notices.dispose();
    this.sign.dispose();
    this.log.dispose();
  }

  // --- on or off

  /** Runs the sidecar if the person enabled it and the editor allows telemetry, else ends it. */
  private async decide(again = false): Promise<void> {
    const enabled = vscode.workspace.getConfiguration("overt").get("enabled", false);
    setContext("overt.enabled", enabled);
    if (!enabled) return this.stop(off("disabled", "Capture is not enabled in this editor."));
    if (!vscode.env.isTelemetryEnabled) {
      return this.stop(off("telemetry-off", "Telemetry is switched off in this editor's settings, so nothing is captured."));
    }
    if (again) await this.stop(off("starting", "The sidecar is starting."));
    this.sidecar.start();
  }

  private async stop(status: Status): Promise<void> {
    this.mirror.flush();
    await this.sidecar.stop(status);
  }

  private follow(status: Status): void {
    setContext("overt.state", status.state);
    setContext("overt.running", this.sidecar.running);
    setContext("overt.joined", status.studies.some((each) => each.live));
    this.mirror.follow(status.state === "capturing");
    this.kept.follow(status);
    this.draw();
    if (status.state === "paused") void this.endPauseOfEarlierSession();
  }

  private draw(status = this.sidecar.status): void {
    const editor = vscode.window.activeTextEditor;
    const here = editor === undefined || this.mirror.has(editor.document.uri.toString());
    this.sign.show(status, here, this.kept.recent());
  }

  /** A pause until restart is over once the editor has restarted. */
  private async endPauseOfEarlierSession(): Promise<void> {
    const session = this.context.globalState.get<string>(PAUSED_BY);
    if (session === undefined || session === vscode.env.sessionId) return;
    await this.context.globalState.update(PAUSED_BY, undefined);
    await this.attempt(() => this.sidecar.resume());
  }

  // --- what the person asks for

  private commands(): vscode.Disposable[] {
    const actions: Record<string, () => unknown> = {
      "overt.enable": () => this.enable(),
      "overt.disable": () => this.setEnabled(false),
      "overt.join": () => this.join(),
      "overt.pause15": () => this.attempt(() => this.sidecar.pause(PAUSE_MINUTES)),
      "overt.pauseUntilRestart": () => this.pauseUntilRestart(),
      "overt.resume": () => this.attempt(() => this.sidecar.resume()),
      "overt.forget": () => this.forget(),
      "overt.review": () => this.review(),
      "overt.why": () => this.why(),
      "overt.menu": () => this.menu(),
      "overt.log": () => this.log.show(),
      "overt.walkthrough": () => vscode.commands.executeCommand("workbench.action.openWalkthrough", `${this.context.extension.id}#start`, false),
    };
    return Object.entries(actions).map(([name, act]) => vscode.commands.registerCommand(name, act));
  }

  private async enable(): Promise<void> {
    await this.setEnabled(true);
    if (!vscode.env.isTelemetryEnabled) {
      void vscode.window.showInformationMessage('overt stays off while "telemetry.telemetryLevel" is off.');
      return;
    }
    this.sidecar.start(); // also after it was given up
  }

  private async setEnabled(enabled: boolean): Promise<void> {
    await vscode.workspace.getConfiguration("overt").update("enabled", enabled, vscode.ConfigurationTarget.Global);
  }

  private async join(): Promise<void> {
    if (await joinStudy(this.notices, this.context.globalStorageUri)) {
      if (!vscode.workspace.getConfiguration("overt").get("enabled", false)) await this.setEnabled(true);
    }
  }

  private async pauseUntilRestart(): Promise<void> {
    await this.context.globalState.update(PAUSED_BY, vscode.env.sessionId);
    await this.attempt(() => this.sidecar.pause());
  }

  private async forget(): Promise<void> {
    const keep = { label: "$(circle-slash) Keep it", sure: false };
    const sure = { label: `$(trash) Forget what was captured in the last ${FORGET_MINUTES} minutes`, sure: true };
    const picked = await vscode.window.showQuickPick([keep, sure], { title: "Forget? This can't be undone." });
    if (!picked?.sure) return;
    this.mirror.flush();
    await this.attempt(async () => {
      const { events } = await this.sidecar.forget(FORGET_MINUTES);
      this.kept.clear();
      this.mirror.reopen();
      void vscode.window.showInformationMessage(`overt: ${events} events were forgotten.`);
    });
  }

  /** Opens the review page with the `overt` command, which has a browser show it. */
  private review(): void {
    const [command, ...first] = startedBy();
    const child = spawn(command, [...first, "review"], { cwd: homedir(), detached: true, stdio: ["ignore", "ignore", "pipe"] });
    let words = "";
    const failed = (): void => void vscode.window.showErrorMessage(`overt: the review could not be opened. ${words.trim()}`);
    child.stderr.on("data", (data: Buffer) => (words = (words + data.toString()).slice(-500)));
    child.once("error", (error) => {
      words = error.message;
      failed();
    });
    child.once("exit", (code) => code && failed());
    setTimeout(() => child.unref(), REVIEW_MS).unref();
  }

  private async why(): Promise<void> {
    const document = vscode.window.activeTextEditor?.document;
    if (document === undefined) {
      void vscode.window.showInformationMessage("overt: no file is in front.");
      return;
    }
    void vscode.window.showInformationMessage(`overt: ${await this.reasons(document)}`);
  }

  private async reasons(document: vscode.TextDocument): Promise<string> {
    const name = document.fileName.slice(document.fileName.lastIndexOf("/") + 1);
    const obstacle = this.mirror.obstacle(document);
    if (obstacle !== undefined) return `${name} is not captured. ${obstacle}`;
    if (!this.sidecar.running) return `${name} is not captured. ${this.sidecar.status.reasons.map((each) => each.detail).join(" ")}`;
    try {
      const why = await this.sidecar.why(document.uri.toString());
      const reasons = why.refusals.map((each) => each.detail).join(" ");
      return why.captured ? `${name} is captured. ${reasons}` : `${name} is not captured. ${reasons}`;
    } catch (error) {
      return `${name}: ${wordsOf(error)}`;
    }
  }

  private async menu(): Promise<void> {
    const { state } = this.sidecar.status;
    const running = this.sidecar.running;
    const rows: (vscode.QuickPickItem & { command: string; when: boolean })[] = [
      { label: "$(record) Enable capture...", command: "overt.enable", when: !running },
      { label: "$(add) Join a study...", command: "overt.join", when: state === "off" },
      { label: "$(debug-start) Resume", command: "overt.resume", when: state === "paused" },
      { label: "$(debug-pause) Pause for 15 minutes", command: "overt.pause15", when: state === "capturing" },
      { label: "$(debug-pause) Pause until restart", command: "overt.pauseUntilRestart", when: state === "capturing" },
      { label: "$(question) Why is this file captured, or not?", command: "overt.why", when: true },
      { label: "$(trash) Forget the last 10 minutes...", command: "overt.forget", when: running },
      { label: "$(open-preview) Look at everything that was captured", command: "overt.review", when: true },
      { label: "$(circle-slash) Disable capture in this editor", command: "overt.disable", when: running },
      { label: "$(book) Get started", command: "overt.walkthrough", when: true },
    ];
    const placeHolder = this.sidecar.status.reasons[0]?.detail ?? `overt: ${state}`;
    const picked = await vscode.window.showQuickPick(rows.filter((each) => each.when), { title: `overt: ${state}`, placeHolder });
    if (picked) await vscode.commands.executeCommand(picked.command);
  }

  /** The one message when the sidecar can't be had: no modal, and not again until it is started anew. */
  private async explainOff(words: string): Promise<void> {
    const again = "Try Again";
    const log = "Show Log";
    const picked = await vscode.window.showInformationMessage(`overt is off. ${words}`, again, log);
    if (picked === again) this.sidecar.start();
    if (picked === log) this.log.show();
  }

  private async attempt(act: () => Promise<unknown>): Promise<void> {
    this.mirror.flush();
    try {
      await act();
    } catch (error) {
      void vscode.window.showErrorMessage(`overt: ${wordsOf(error)}`);
    }
  }
}

function setContext(key: string, value: unknown): void {
  void vscode.commands.executeCommand("setContext", key, value);
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
