/** The pages that are open on granted sites, and the second gate in front of each of their messages. */

import { lower } from "../shared/levels.ts";
import { originOf } from "../shared/origins.ts";
import {
  type FromPage,
  type Level,
  type Levels,
  PAGE_KINDS,
  type ToPage,
  type WireBody,
  type WireEvent,
} from "../shared/wire.ts";
import type { Decision } from "./gate.ts";
import type { Queue } from "./queue.ts";

/** Events of one message; a page's batch has fewer. */
const MAX_EVENTS = 6000;
const PAGE_ID = /^[A-Za-z0-9-]{1,64}$/;

export interface Surroundings {
  /** Asks the browser, now, whether it lets us into a site. */
  isPermitted(origin: string | null): Promise<boolean>;
  decide(origin: string | null, incognito: boolean, permitted: boolean): Decision;
  onAppended(): void;
  onChange(): void;
  signTexts(): { label: string; hint: string };
}

interface Open {
  port: chrome.runtime.Port;
  tab: number;
  top: boolean;
  origin: string | null;
  incognito: boolean;
  capturing: boolean;
  shown: boolean;
  page: string | null;
  closed: boolean;
  refused: string | null;
  levels: string;
}

export class Pages {
  readonly #open = new Map<chrome.runtime.Port, Open>();
  /** What is to be done, in order, and whether that has begun. */
  #due: (() => Promise<void>)[] = [];
  #busy = false;
  #judging: Promise<void> | null = null;
  /** What the browser said of its permissions since the turn began: a page may have thousands of frames. */
  readonly #permitted = new Map<string | null, Promise<boolean>>();

  constructor(
    readonly queue: Queue,
    readonly around: Surroundings,
  ) {}

  /** Takes a page's line. What the port says of its sender comes from the browser, not from the page. */
  connect(port: chrome.runtime.Port): void {
    const { sender } = port;
    const tab = sender?.tab?.id;
    if (sender?.id !== chrome.runtime.id || tab === undefined) {
      port.disconnect();
      return;
    }
    const origin = sender.origin === undefined ? originOf(sender.url) : originOf(sender.origin);
    const incognito = sender.tab?.incognito ?? true;
    const state = { capturing: false, shown: false, page: null, closed: false, refused: null, levels: "" };
    const open = { port, tab, top: sender.frameId === 0, origin, incognito, ...state };
    this.#open.set(port, open);
    port.onMessage.addListener((message: FromPage) => void this.#queued(() => this.#hear(open, message)));
    port.onDisconnect.addListener(() => void this.#queued(() => this.#gone(open)));
  }

  /** Judges every open page anew, and starts or stops it. Stops go out before anything else is read. */
  judgeAll(): Promise<void> {
    // Who asks while this waits for its turn is served by it: a page may have thousands of frames, and each one asks.
    this.#judging ??= this.#queued(async () => {
      this.#judging = null;
      const tops = [...this.#open.values()].sort((one, two) => Number(two.top) - Number(one.top));
      for (const open of tops) await this.#judge(open);
    });
    return this.#judging;
  }

  /** Judges by no answer that the browser gave before now: a permission was given or taken back. */
  permissionsChanged(): void {
    this.#permitted.clear();
  }

  /** Stops every page at once, without asking anything. */
  stopAll(): void {
    for (const open of this.#open.values()) this.#stop(open, "stopped");
    this.around.onChange();
  }

  /** Stops a page that the bridge refused. */
  stop(page: string): void {
    for (const open of this.#open.values()) if (open.page === page) this.#stop(open, "refused");
    this.around.onChange();
  }

  /** Asks every page to hand over what it has; for before an update. */
  flush(): void {
    for (const open of this.#open.values()) if (open.capturing) this.#send(open, { type: "flush" });
  }

  /** Writes down that a tab came to the front. */
  activated(tab: number): Promise<void> {
    return this.#queued(async () => {
      const open = this.#top(tab);
      if (open?.capturing) await this.#own(open, { kind: "tab.activate" });
    });
  }

  /** Says how a tab stands: whether it is captured, else why not; null for one that we can't see into. */
  standing(tab: number): { origin: string; capturing: boolean; refused: string | null } | null {
    const open = this.#top(tab);
    if (open === undefined || open.origin === null) return null;
    return { origin: open.origin, capturing: open.capturing && open.shown, refused: this.#why(open) };
  }

  /** The tabs that are captured now. */
  capturedTabs(): number[] {
    const shown = [...this.#open.values()].filter((open) => open.top && open.capturing && open.shown);
    return [...new Set(shown.map((open) => open.tab))];
  }

  /** Runs `work` when all that came before it is done: no decision is made on something that is about to change. */
  #queued(work: () => Promise<void>): Promise<void> {
    const done = new Promise<void>((resolve, reject) => {
      this.#due.push(() => work().then(resolve, reject));
    });
    if (!this.#busy) {
      this.#busy = true;
      queueMicrotask(() => void this.#work());
    }
    return done;
  }

  /** Works in turns: for all that waits when a turn begins, the browser is asked once about each site, after it came. */
  async #work(): Promise<void> {
    while (this.#due.length > 0) {
      const turn = this.#due;
      this.#due = [];
      this.#permitted.clear();
      for (const work of turn) await work();
      this.around.onChange();
    }
    this.#busy = false;
  }

  /** Decides anew, with what the browser says of its permission in this turn. */
  async #decide(open: Open): Promise<Decision> {
    let asked = this.#permitted.get(open.origin);
    if (asked === undefined) {
      asked = this.around.isPermitted(open.origin);
      this.#permitted.set(open.origin, asked);
    }
    return this.around.decide(open.origin, open.incognito, await asked);
  }

  #top(tab: number): Open | undefined {
    return [...this.#open.values()].find((open) => open.tab === tab && open.top);
  }

  #why(open: Open): string | null {
    return open.capturing && !open.shown ? "sign-hidden" : open.refused;
  }

  async #hear(open: Open, message: FromPage): Promise<void> {
    if (!this.#open.has(open.port)) return;
    if (message.type === "hello") {
      open.shown = message.shown === true;
      await this.#judge(open);
    } else if (message.type === "sign") {
      open.shown = message.shown === true;
      // A frame's word says nothing of the others.
      if (open.top) {
        for (const other of this.#open.values())
          if (other.tab === open.tab && !other.top) await this.#judge(other);
      }
    } else if (message.type === "events") {
      await this.#take(open, message.n, message.events);
    }
  }

  /** A page that could not say that it closes (a frame whose page went first, a crash) is closed here. */
  async #gone(open: Open): Promise<void> {
    this.#open.delete(open.port);
    if (open.capturing && open.page !== null && !open.closed) await this.#own(open, { kind: "page.close" });
  }

  /** Writes down what the worker itself knows of a page. */
  async #own(open: Open, body: WireBody): Promise<void> {
    const decision = await this.#decide(open);
    if (open.page === null || open.origin === null || !decision.allowed) return;
    if (levelOf(body.kind, decision.levels) === null) return;
    const mono = Math.round(performance.timeOrigin + performance.now());
    const event: WireEvent = { page: open.page, wall_ms: Date.now(), mono_ms: mono, body };
    void this.queue.append(open.page, open.origin, 0, [event]).then(() => this.around.onAppended());
  }

  async #judge(open: Open): Promise<Levels | null> {
    const decision = await this.#decide(open);
    if (!decision.allowed) {
      this.#stop(open, decision.code);
      return null;
    }
    // A frame is captured only in a page that bears the sign.
    const top = open.top ? open : this.#top(open.tab);
    if (!open.top && !(top?.capturing && top.shown)) {
      this.#stop(open, "no-sign");
      return null;
    }
    const { levels, secretFields } = decision;
    const told = JSON.stringify([levels, secretFields]);
    if (!open.capturing || open.levels !== told) {
      open.capturing = true;
      open.refused = null;
      open.levels = told;
      this.#send(open, { type: "start", levels, secretFields, sign: this.around.signTexts() });
    }
    return levels;
  }

  async #take(open: Open, n: number, events: readonly WireEvent[]): Promise<void> {
    const levels = open.capturing ? await this.#judge(open) : null;
    const top = open.top ? open : this.#top(open.tab);
    if (levels === null) {
      this.#send(open, { type: "stop" });
      return;
    }
    // Without an answer the page keeps its batch, unless it finds itself that the sign is gone.
    if (top?.shown !== true || open.origin === null || !Array.isArray(events)) return;
    const page = events[0]?.page;
    if (page === undefined || !PAGE_ID.test(page) || !Number.isSafeInteger(n)) return;
    const kept = events
      .slice(0, MAX_EVENTS)
      .filter((event) => event.page === page)
      .flatMap((event) => this.#admitted(open, top, event, levels));
    open.page = page;
    open.closed = kept.some((event) => event.body.kind === "page.close");
    if (kept.length > 0) void this.#keep(open, page, open.origin, n, kept);
    else this.#send(open, { type: "ack", n });
  }

  /** Writes a batch down and says so; the turn goes on meanwhile, and what it brings is written down together. */
  async #keep(
    open: Open,
    page: string,
    origin: string,
    n: number,
    kept: readonly WireEvent[],
  ): Promise<void> {
    if (await this.queue.append(page, origin, n, kept)) this.around.onAppended();
    this.#send(open, { type: "ack", n });
  }

  /** Lowers an event once more, and writes in what only the browser knows. */
  #admitted(open: Open, top: Open, event: WireEvent, levels: Levels): WireEvent[] {
    const { page, wall_ms, mono_ms, body } = event;
    const level = levelOf(body.kind, levels);
    if (level === null || !Number.isSafeInteger(wall_ms) || !Number.isSafeInteger(mono_ms)) return [];
    const placed =
      body.kind === "page.open" ? { ...body, tab: open.tab, parent: open.top ? null : top.page } : body;
    const lowered = { page, wall_ms, mono_ms, body: lower(placed, level) };
    const named = body.kind === "page.open" || body.kind === "page.navigate";
    return [named && open.origin !== null ? { ...lowered, url: open.origin } : lowered];
  }

  #stop(open: Open, why: string): void {
    open.refused = why;
    if (open.capturing) this.#send(open, { type: "stop" });
    open.capturing = false;
    open.levels = "";
    if (!open.top) return;
    for (const other of this.#open.values()) {
      if (other.tab === open.tab && !other.top && other.capturing) this.#stop(other, why);
    }
  }

  #send(open: Open, message: ToPage): void {
    try {
      open.port.postMessage(message);
    } catch {
      this.#open.delete(open.port);
    }
  }
}

function levelOf(kind: string, levels: Levels): Level | null {
  if (kind === "capture.gap") return "content";
  const known = PAGE_KINDS.find((each) => each === kind);
  return known === undefined ? null : (levels[known] ?? null);
}
