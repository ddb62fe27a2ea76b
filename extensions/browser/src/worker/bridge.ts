/** The line to the bridge: finds it, introduces itself, sends what waits, asks and answers. Thin; the rules are apart. */

import { NATIVE_HOST, PROTOCOL, type State } from "../shared/wire.ts";
import { codeSecret, Handshake, type Identity, type Invitation, isState } from "./handshake.ts";
import type { Queue, Row } from "./queue.ts";
import { invitation, keepInvitation, keepPairing, pairing } from "./settings.ts";

/** A message at least this often keeps the worker alive, in milliseconds. */
const PING_MS = 20_000;
/** A bridge that does not answer for so long is taken for dead, in milliseconds. */
const SILENCE_MS = 45_000;
const HANDSHAKE_MS = 10_000;
const REQUEST_MS = 15_000;
/** The host may start the bridge, for which it gives itself ten seconds; one that says nothing is ended. */
const HOST_MS = 20_000;
const MAX_BATCH = 500;
/** Characters of JSON in a batch: well below the bridge's 1 MiB of bytes, at up to three bytes each. */
const MAX_CHARACTERS = 300_000;
/** Batches under way at once. */
const MAX_UNDER_WAY = 4;
const FIRST_WAIT_MS = 500;
const MAX_WAIT_MS = 30_000;

export interface Trouble {
  code: string;
  message: string;
}

export interface Listener {
  onState(state: State): Promise<void>;
  onHeard(): void;
  onStop(page: string): void;
  onChange(): void;
}

interface Asked {
  resolve(value: unknown): void;
  reject(reason: BridgeRefused): void;
}

/** The bridge said no, or could not be asked. */
export class BridgeRefused extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly hint: string = "",
  ) {
    super(message);
  }
}

export class Bridge {
  #socket: WebSocket | null = null;
  #ready = false;
  #sent = 0;
  #underWay: number[] = [];
  #known = new Set<string>();
  #asked = new Map<number, Asked>();
  #nextId = 1;
  /** By the clock that nobody sets. */
  #heardAt = 0;
  #ping: ReturnType<typeof setInterval> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #wait = FIRST_WAIT_MS;
  #opening: Promise<void> | null = null;
  trouble: Trouble | null = null;

  constructor(
    readonly queue: Queue,
    readonly identity: () => Promise<Identity>,
    readonly listener: Listener,
  ) {}

  get connected(): boolean {
    return this.#ready;
  }

  /** Connects unless it is connected; tries again later by itself. Never throws. */
  ensure(): Promise<void> {
    if (this.#ready) return Promise.resolve();
    return this.#opening ?? this.#openBy(this.#connect());
  }

  /** Pairs by a code that the person brought: it is used once, and leaves a secret of its own. */
  async pair(port: number, code: string): Promise<boolean> {
    // One after the other: two introductions at once would leave two sockets.
    while (this.#opening !== null) await this.#opening;
    this.#close("paired anew");
    const introduced = this.#introduce({ port, secret: codeSecret(code), pair: true });
    void this.#openBy(introduced);
    return introduced;
  }

  /** Keeps a way of opening as the one that is under way, until it has ended. */
  #openBy(way: Promise<unknown>): Promise<void> {
    this.#opening = way
      .then(() => undefined)
      .finally(() => {
        this.#opening = null;
      });
    return this.#opening;
  }

  /** Sends events that wait, as many as may be under way. */
  pump(): void {
    while (this.#ready && this.#underWay.length < MAX_UNDER_WAY) {
      const rows = this.queue.after(this.#sent, MAX_BATCH, MAX_CHARACTERS);
      const [first] = rows;
      const last = rows.at(-1);
      if (first === undefined || last === undefined) return;
      this.#introducePages(rows);
      this.#send({ type: "events", first: first.seq, events: rows.map((row) => row.event) });
      this.#sent = last.seq;
      this.#underWay.push(last.seq);
    }
  }

  /** Introduces pages that this bridge does not know, before their events: it may have been started anew. */
  #introducePages(rows: readonly Row[]): void {
    for (const { event } of rows) {
      if (this.#known.has(event.page)) continue;
      const first = event.body.kind === "page.open" ? event.body.parent : event.page;
      const pages = first === null ? [] : this.queue.introduction(first);
      const unknown = pages.filter(({ page }) => !this.#known.has(page));
      if (unknown.length > 0) this.#send({ type: "pages", pages: unknown });
      for (const page of [event.page, ...unknown.map((each) => each.page)]) this.#known.add(page);
    }
  }

  /** Asks the bridge. BridgeRefused: if it says no, or is not there. */
  async request(method: string, params: object): Promise<unknown> {
    await this.ensure();
    if (!this.#ready) {
      const { code, message } = this.trouble ?? { code: "no-bridge", message: "" };
      throw new BridgeRefused(code, message);
    }
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#asked.delete(id);
        reject(new BridgeRefused("no-answer", method));
      }, REQUEST_MS);
      const done =
        <T>(end: (value: T) => void) =>
        (value: T): void => {
          clearTimeout(timer);
          end(value);
        };
      this.#asked.set(id, { resolve: done(resolve), reject: done(reject) });
      this.#send({ type: "request", id, method, params });
    });
  }

  async #connect(): Promise<void> {
    clearTimeout(this.#retry);
    for (const kept of [await invitation(), await pairing()]) {
      if (kept !== null && (await this.#introduce(kept))) return;
    }
    const fresh = await this.#invited();
    if (fresh !== null) {
      await keepInvitation(fresh);
      if (await this.#introduce(fresh)) return;
    }
    this.#retry = setTimeout(() => void this.ensure(), this.#wait);
    this.#wait = Math.min(this.#wait * 2, MAX_WAIT_MS);
    this.listener.onChange();
  }

  /** Asks the native messaging host where the bridge is; it starts it if need be. */
  async #invited(): Promise<Invitation | null> {
    const { profile, origin } = await this.identity();
    try {
      const answer = await askHost({ type: "connect", profile, origin });
      if (answer.type === "bridge" && answer.protocol === PROTOCOL) {
        return { port: Number(answer.port), secret: String(answer.secret) };
      }
      const wrong = answer.type === "bridge";
      this.trouble = wrong
        ? { code: "bridge-protocol", message: "" }
        : { code: String(answer.code ?? "no-host"), message: String(answer.message ?? "") };
    } catch (error) {
      this.trouble = { code: "no-host", message: error instanceof Error ? error.message : "" };
    }
    return null;
  }

  /** Opens a socket and goes through the handshake; says whether it ended well. */
  async #introduce(given: Invitation): Promise<boolean> {
    const handshake = new Handshake(await this.identity(), given, crypto.getRandomValues(new Uint8Array(16)));
    let socket: WebSocket;
    try {
      socket = new WebSocket(`ws://127.0.0.1:${given.port}/overt`);
    } catch {
      this.trouble = { code: "no-bridge", message: "" };
      return false;
    }
    return new Promise((resolve) => {
      const end = (well: boolean, trouble: Trouble | null): void => {
        clearTimeout(timer);
        if (this.#socket === socket) return;
        if (!well) socket.close();
        this.trouble = trouble;
        resolve(well);
      };
      const timer = setTimeout(() => end(false, { code: "no-bridge", message: "" }), HANDSHAKE_MS);
      let chain = Promise.resolve();
      socket.onopen = () => socket.send(JSON.stringify(handshake.hello()));
      socket.onclose = () => {
        if (this.#socket === socket) this.#close("closed");
        else end(false, { code: "no-bridge", message: "" });
      };
      socket.onmessage = ({ data }) => {
        // Messages are taken one after the other, also those that come while one is looked at.
        chain = chain
          .then(async () => {
            const message = parsed(data);
            if (this.#socket === socket) return this.#hear(message);
            const step = await handshake.receive(message);
            if ("send" in step) socket.send(JSON.stringify(step.send));
            else if ("fail" in step) end(false, { code: step.fail, message: "" });
            else {
              if (step.ready.paired !== null)
                await keepPairing({ port: given.port, secret: step.ready.paired });
              // It may have closed meanwhile: a line that is dead would count as one until it was silent for long.
              if (socket.readyState !== WebSocket.OPEN) return;
              clearTimeout(timer);
              await this.#open(socket, step.ready.state);
              resolve(true);
            }
          })
          .catch(() => {
            // What can't be taken in (a disk that is full) must not leave a line that hears nothing.
            if (this.#socket === socket) this.#close("failed");
            else end(false, { code: "bridge-protocol", message: "" });
            resolve(false);
          });
      };
    });
  }

  async #open(socket: WebSocket, state: State): Promise<void> {
    this.#socket = socket;
    this.#ready = true;
    this.#sent = 0;
    this.#underWay = [];
    this.#known = new Set();
    this.#wait = FIRST_WAIT_MS;
    this.trouble = null;
    this.#heardAt = performance.now();
    clearInterval(this.#ping);
    this.#ping = setInterval(() => this.#keepAlive(), PING_MS);
    await this.listener.onState(state);
    this.pump();
    this.listener.onChange();
  }

  #keepAlive(): void {
    if (performance.now() - this.#heardAt > SILENCE_MS) this.#close("silent");
    else this.#send({ type: "ping" });
  }

  async #hear(message: Record<string, unknown>): Promise<void> {
    this.#heardAt = performance.now();
    this.listener.onHeard();
    if (message.type === "ack" && typeof message.seq === "number") {
      const { seq } = message;
      this.#underWay = this.#underWay.filter((last) => last > seq);
      await this.queue.acked(seq);
      this.pump();
    } else if (message.type === "state" && isState(message.state)) {
      await this.listener.onState(message.state);
    } else if (message.type === "stop" && typeof message.page === "string") {
      this.listener.onStop(message.page);
    } else if (message.type === "response" && typeof message.id === "number") {
      this.#answered(message.id, message);
    }
  }

  #answered(id: number, message: Record<string, unknown>): void {
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    const error = message.error as { code?: string; message?: string; hint?: string } | undefined;
    if (error === undefined) asked?.resolve(message.result);
    else asked?.reject(new BridgeRefused(error.code ?? "refused", error.message ?? "", error.hint ?? ""));
  }

  #send(message: object): void {
    try {
      this.#socket?.send(JSON.stringify(message));
    } catch {
      this.#close("unsendable");
    }
  }

  #close(why: string): void {
    const socket = this.#socket;
    this.#socket = null;
    this.#ready = false;
    clearInterval(this.#ping);
    for (const asked of this.#asked.values()) asked.reject(new BridgeRefused("no-bridge", why));
    this.#asked.clear();
    if (socket === null) return;
    socket.close();
    this.listener.onChange();
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.ensure(), FIRST_WAIT_MS);
  }
}

/** Asks the native messaging host one question. Error: if it can't be started, ends without a word, or is silent. */
function askHost(question: object): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const port = chrome.runtime.connectNative(NATIVE_HOST);
    const timer = setTimeout(() => end(() => resolve({ type: "error", code: "no-bridge" })), HOST_MS);
    const end = (say: () => void): void => {
      clearTimeout(timer);
      port.disconnect();
      say();
    };
    port.onMessage.addListener((answer: Record<string, unknown>) => end(() => resolve(answer)));
    port.onDisconnect.addListener(() =>
      end(() => reject(new Error(chrome.runtime.lastError?.message ?? ""))),
    );
    port.postMessage(question);
  });
}

function parsed(data: unknown): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(String(data));
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
