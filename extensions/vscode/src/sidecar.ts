// The sidecar process: started, followed, started again a few times when it crashes, and left alone after that.

import { type ChildProcess, spawn } from "node:child_process";
import { homedir } from "node:os";
import * as vscode from "vscode";
import {
  CloseAction,
  ErrorAction,
  LanguageClient,
  type LanguageClientOptions,
  type MessageTransports,
  RevealOutputChannelOn,
  State,
  StreamMessageReader,
} from "vscode-languageclient/node";
import { startedBy } from "./consent";
import { RowWriter } from "./writer";
import { type Forgotten, type Status, type Why, off } from "./protocol";

/** So many ends within the time below, and the sidecar is not started again. */
const MAX_CRASHES = 5;
const CRASH_WINDOW_MS = 180_000;
/** The wait before a new start doubles from this. */
const FIRST_WAIT_MS = 500;
/** A sidecar that does not say its status by then is ended. */
const START_MS = 20_000;

const STARTING = off("starting", "The sidecar is starting.");
const STOPPED = off("disabled", "Capture is not enabled in this editor.");

/** What may be sent beside documents, which `allowed` answers for. */
const PLAIN = new Set(["overt/focus", "overt/command"]);
/** What the client itself says; it holds nothing of the person's. */
const LIFECYCLE = new Set(["initialized", "exit", "$/cancelRequest", "$/setTrace"]);

/** The client without its pop-ups: what goes wrong is in the sign, in the log, and once in a calm message. */
class QuietClient extends LanguageClient {
  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }

  override warn(message: string, data?: unknown): void {
    super.warn(message, data, false);
  }

  override info(message: string, data?: unknown): void {
    super.info(message, data, false);
  }
}

export class Sidecar implements vscode.Disposable {
  private client: LanguageClient | undefined;
  private process: ChildProcess | undefined;
  private crashes: number[] = [];
  private again: NodeJS.Timeout | undefined;
  private wanted = false;
  private run = 0;
  /** Parameters that were allowed to leave: the client's middleware lets nothing else through. */
  private readonly judged = new WeakSet<object>();
  private current: Status = STOPPED;
  private readonly changed = new vscode.EventEmitter<Status>();
  private readonly gaveUp = new vscode.EventEmitter<string>();
  readonly onStatus = this.changed.event;
  readonly onGaveUp = this.gaveUp.event;

  /** `allowed` is asked about every document that a message names: the last look before bytes leave the editor. */
  constructor(
    private readonly log: vscode.LogOutputChannel,
    private readonly allowed: (uri: string) => boolean,
  ) {}

  get status(): Status {
    return this.current;
  }

  get running(): boolean {
    return this.client?.state === State.Running;
  }

  /** Starts the sidecar; does nothing when it runs or is about to. */
  start(): void {
    if (this.wanted) return;
    this.wanted = true;
    this.crashes = [];
    void this.launch();
  }

  /** Ends it; `status` says why it is off. */
  async stop(status: Status = STOPPED): Promise<void> {
    this.wanted = false;
    this.run += 1;
    clearTimeout(this.again);
    const client = this.client;
    const process = this.process;
    this.client = this.process = undefined;
    this.say(status);
    try {
      await handedOver();
      await client?.stop(); // everything is on disk before it answers
    } catch {
      process?.kill();
    }
  }

  /**
   * Sends a notification, if it may leave. Judged here and now: the client sends a moment later. It says when it
   * happened (Unix ms), so that the sidecar need not read it at once.
   */
  notify(method: string, told: object, at = Date.now()): void {
    const client = this.client;
    if (client?.state !== State.Running || !this.mayLeave(method, told)) return;
    const params = { ...told, overt: { ...("overt" in told ? (told.overt as object) : {}), at } };
    this.judged.add(params);
    client.sendNotification(method, params).catch(() => undefined);
  }

  why(uri: string): Promise<Why> {
    return this.request("overt/why", { uri });
  }

  forget(minutes: number): Promise<Forgotten> {
    return this.request("overt/forget", { minutes });
  }

  async pause(minutes?: number): Promise<void> {
    this.say(await this.request<Status>("overt/pause", minutes === undefined ? {} : { minutes }));
  }

  async resume(): Promise<void> {
    this.say(await this.request<Status>("overt/resume", {}));
  }

  /** Asks for the counts, which are not told unasked. */
  async refresh(): Promise<Status> {
    return this.request<Status>("overt/status", {});
  }

  dispose(): void {
    void this.stop();
    this.changed.dispose();
    this.gaveUp.dispose();
  }

  private async request<T>(method: string, params: object): Promise<T> {
    await handedOver();
    if (this.client?.state !== State.Running) throw new Error("The sidecar is not running.");
    return this.client.sendRequest<T>(method, params);
  }

  private async launch(): Promise<void> {
    const run = (this.run += 1);
    const [command, ...first] = startedBy();
    this.say(this.crashes.length ? off("crashed", "The sidecar ended and is being started again.") : STARTING);
    let process: ChildProcess;
    try {
      process = await spawned(command, [...first, "lsp"]);
    } catch (error) {
      if (run !== this.run) return;
      this.wanted = false;
      this.giveUp("not-found", `The command ${command} could not be started (${codeOf(error)}). Install overt, or set "overt.command".`);
      return;
    }
    if (run !== this.run) {
      process.kill();
      return;
    }
    this.process = process;
    process.stderr?.on("data", (words: Buffer) => this.log.info(words.toString().trimEnd()));
    const client = (this.client = new QuietClient("overt", "overt", () => Promise.resolve(transports(process)), this.options(run)));
    client.onNotification("overt/statusChanged", (status: Status) => {
      if (run === this.run) this.say(status);
    });
    const late = setTimeout(() => process.kill(), START_MS);
    try {
      await client.start();
      if (run === this.run) this.say(this.current); // it runs now: what depends on that is shown
    } catch (error) {
      this.log.info(`The sidecar did not start: ${codeOf(error)}`);
      process.kill();
      this.ended(run);
    } finally {
      clearTimeout(late);
    }
  }

  private options(run: number): LanguageClientOptions {
    return {
      // No selector: the client's own text synchronisation would send every document, shown or not, at the first
      // notification of ours. Documents are told by `Mirror`, and each message passes the middleware below.
      initializationOptions: { overt: { status: true, rows: true } },
      outputChannel: this.log,
      revealOutputChannelOn: RevealOutputChannelOn.Never,
      initializationFailedHandler: () => false,
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue, handled: true }),
        closed: () => {
          this.ended(run);
          return { action: CloseAction.DoNotRestart, handled: true };
        },
      },
      middleware: {
        sendNotification: (type, next, params) => {
          const method = typeof type === "string" ? type : type.method;
          const judged = LIFECYCLE.has(method) || (params instanceof Object && this.judged.has(params));
          return judged ? next(type, params) : Promise.resolve();
        },
        workspace: {
          // Told by Mirror, for documents that the sidecar knows.
          didRenameFiles: () => Promise.resolve(),
        },
      },
    };
  }

  private mayLeave(method: string, params: unknown): boolean {
    if (PLAIN.has(method)) return true;
    const uris = urisOf(params);
    return uris.length > 0 && uris.every(this.allowed);
  }

  private ended(run: number): void {
    if (run !== this.run || !this.wanted) return;
    this.run += 1;
    this.client = this.process = undefined;
    const now = Date.now();
    this.crashes = [...this.crashes.filter((at) => now - at < CRASH_WINDOW_MS), now];
    if (this.crashes.length >= MAX_CRASHES) {
      this.wanted = false;
      this.giveUp("crashed", "The sidecar ended several times in a row, so it is not started again. `overt doctor` says more.");
      return;
    }
    this.say(off("crashed", "The sidecar ended and is being started again."));
    this.again = setTimeout(() => void this.launch(), FIRST_WAIT_MS * 2 ** (this.crashes.length - 1));
  }

  private giveUp(code: string, words: string): void {
    this.say(off(code, words));
    this.log.info(words);
    this.gaveUp.fire(words);
  }

  private say(status: Status): void {
    this.current = status;
    this.changed.fire(status);
  }
}

/** The client sends a request sooner than a notification that was given to it before: lets those out first. */
function handedOver(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Starts a process outside of any workspace; fails when there is no such command. */
function spawned(command: string, args: readonly string[]): Promise<ChildProcess> {
  return new Promise((resolve, reject) => {
    const process = spawn(command, args, { cwd: homedir(), stdio: "pipe" });
    process.once("error", reject);
    process.once("spawn", () => {
      process.removeListener("error", reject);
      process.on("error", () => undefined);
      resolve(process);
    });
  });
}

function transports(process: ChildProcess): MessageTransports {
  if (process.stdin === null || process.stdout === null) throw new Error("The sidecar has no pipes.");
  return { reader: new StreamMessageReader(process.stdout), writer: new RowWriter(process.stdin) };
}

function urisOf(params: unknown): string[] {
  const said = params as {
    uri?: string;
    textDocument?: { uri?: string };
    files?: readonly { oldUri: string }[];
  } | null;
  if (said?.files) return said.files.map((each) => each.oldUri);
  const uri = said?.uri ?? said?.textDocument?.uri;
  return uri === undefined ? [] : [uri];
}

function codeOf(error: unknown): string {
  return error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : String(error);
}
