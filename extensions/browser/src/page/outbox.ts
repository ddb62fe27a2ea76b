/** What a page has seen and the worker has not yet written down. The worker may die at any time; nothing is lost. */

import { type FromPage, PAGE_PORT, type ToPage, type WireEvent } from "../shared/wire.ts";
import { callBegins } from "./call.ts";

/** Events wait so long for company, in milliseconds. */
const BATCH_MS = 2000;
/** Batches without an answer; beyond it the page forgets, and says how much. */
const MAX_WAITING_EVENTS = 5000;
/** A worker that died is woken after so long, in milliseconds; it doubles up to the second. */
const RECONNECT_MS = 200;
const MAX_RECONNECT_MS = 30_000;

interface Batch {
  n: number;
  events: WireEvent[];
}

/** The page's end of the line to the worker. */
export class Outbox {
  #port: chrome.runtime.Port | null = null;
  #open: WireEvent[] = [];
  /** Into which fields it was entered what waits. */
  readonly #into = new Map<WireEvent, Element>();
  #waiting: Batch[] = [];
  #next = 1;
  #leaves: ReturnType<typeof setTimeout> | undefined;
  #wait = RECONNECT_MS;
  #dead = false;

  constructor(
    readonly onMessage: (message: ToPage) => void,
    readonly onDead: () => void,
    readonly isShown: () => boolean,
    /** Asked before a batch leaves: no batch leaves while the sign can't be seen. */
    readonly mayLeave: () => boolean,
    /** Asked before a batch leaves of every field that it tells of. */
    readonly mayTell: (field: Element) => boolean,
    /** Called when it is time for a batch, to write down what belongs to it. */
    readonly onDue: () => void,
  ) {}

  /** Opens the line. */
  connect(): void {
    if (this.#dead || this.#port !== null) return;
    try {
      this.#port = chrome.runtime.connect({ name: PAGE_PORT });
    } catch {
      this.#die();
      return;
    }
    this.#port.onMessage.addListener((message: ToPage) => {
      this.#wait = RECONNECT_MS;
      if (message.type === "ack") this.#acked(message.n);
      else this.onMessage(message);
    });
    this.#port.onDisconnect.addListener(() => this.#lost());
    this.send({ type: "hello", shown: this.isShown() });
  }

  /** Gives up the line, for a page that is put aside. */
  disconnect(): void {
    this.#port?.disconnect();
    this.#port = null;
  }

  send(message: FromPage): void {
    try {
      this.#port?.postMessage(message);
    } catch {
      this.#lost();
    }
  }

  /** Takes an event; it leaves with the next batch, unless what it was entered `into` became secret. */
  add(event: WireEvent, into: Element | null): void {
    this.#open.push(event);
    if (into !== null) this.#into.set(event, into);
    this.wake();
  }

  /** Sees to it that a batch is due in a while. */
  wake(): void {
    this.#leaves ??= setTimeout(() => this.#due(), BATCH_MS);
  }

  /** Sends what is there, now. */
  flush(): void {
    if (this.#open.length === 0 || !this.mayLeave()) return;
    const batch = { n: this.#next, events: this.#told() };
    this.#open = [];
    this.#into.clear();
    if (batch.events.length === 0) return;
    this.#next += 1;
    this.#waiting.push(batch);
    this.#bound();
    this.send({ type: "events", ...batch });
  }

  /** Drops all that has not left. */
  clear(): void {
    this.#open = [];
    this.#into.clear();
    this.#waiting = [];
  }

  /** Sends again what was not answered; the worker knows which it has. */
  resend(): void {
    for (const batch of this.#waiting) this.send({ type: "events", ...batch });
  }

  get isEmpty(): boolean {
    return this.#open.length === 0 && this.#waiting.length === 0;
  }

  #told(): WireEvent[] {
    const told = new Map<Element, boolean>();
    for (const field of this.#into.values()) if (!told.has(field)) told.set(field, this.mayTell(field));
    return this.#open.filter((event) => {
      const field = this.#into.get(event);
      return field === undefined || told.get(field) === true;
    });
  }

  #due(): void {
    callBegins();
    this.#leaves = undefined;
    this.onDue();
    this.flush();
  }

  #acked(n: number): void {
    this.#waiting = this.#waiting.filter((batch) => batch.n > n);
  }

  /** Puts a gap in the place of the oldest batches when too much waits. */
  #bound(): void {
    let waiting = this.#waiting.reduce((sum, batch) => sum + batch.events.length, 0);
    for (const batch of this.#waiting) {
      if (waiting <= MAX_WAITING_EVENTS) break;
      const kept = batch.events.filter((event) => event.body.kind === "page.open");
      const lost = batch.events.filter((event) => event.body.kind !== "page.open");
      const [first] = lost;
      if (first === undefined || lost.length === 1) continue;
      const count = lost.reduce((sum, event) => sum + lostIn(event), 0);
      waiting -= lost.length - 1;
      batch.events = [...kept, { ...first, body: { kind: "capture.gap", count, reason: "queue-full" } }];
    }
  }

  #lost(): void {
    this.#port = null;
    if (this.#dead) return;
    // An updated or removed extension leaves its scripts behind without a way to speak.
    if (chrome.runtime?.id === undefined) {
      this.#die();
      return;
    }
    setTimeout(() => this.connect(), this.#wait);
    this.#wait = Math.min(this.#wait * 2, MAX_RECONNECT_MS);
  }

  #die(): void {
    this.#dead = true;
    this.clear();
    this.onDead();
  }
}

function lostIn(event: WireEvent): number {
  return event.body.kind === "capture.gap" ? event.body.count : 1;
}
