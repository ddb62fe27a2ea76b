/** The worker: brings pages, gate, queue and bridge together. It may die at any time and begins anew with an event. */

import type { Ask, Overview, Told } from "../shared/ui.ts";
import { PAGE_PORT, type State } from "../shared/wire.ts";
import { showBadge } from "./badge.ts";
import { Bridge, BridgeRefused } from "./bridge.ts";
import { IndexedDisk } from "./disk.ts";
import { type Answers, type Decision, decide, isLive, studyKey } from "./gate.ts";
import { agreedOrigins, giveBack, injectInto, isPermitted, syncScripts } from "./grants.ts";
import type { Identity } from "./handshake.ts";
import { Pages } from "./pages.ts";
import { Queue } from "./queue.ts";
import * as settings from "./settings.ts";

/** Between these the worker looks whether a study has ended and the bridge is there; the browser's least is 30 s. */
const TICK_MINUTES = 0.5;
const TICK = "tick";
const MINUTE_MS = 60_000;
/** An update waits so long for pages to hand over what they have, in milliseconds. */
const HANDOVER_MS = 1500;

class Worker {
  readonly #queue = new Queue(new IndexedDisk());
  readonly #bridge: Bridge;
  readonly pages: Pages;
  readonly ready: Promise<void>;
  #state: State | null = null;
  #heardAt = 0;
  #answers: Answers = {};
  #identity: Promise<Identity> | null = null;
  #syncing: Promise<void> = Promise.resolve();

  constructor() {
    this.#bridge = new Bridge(this.#queue, () => this.#whoWeAre(), {
      onState: (state) => this.#onState(state),
      onHeard: () => this.#onHeard(),
      onStop: (page) => this.pages.stop(page),
      onChange: () => void this.show(),
    });
    this.pages = new Pages(this.#queue, {
      isPermitted: (origin) => this.ready.then(() => isPermitted(origin)),
      decide: (origin, incognito, permitted) => this.#decide(origin, incognito, permitted),
      onAppended: () => {
        this.#bridge.pump();
        if (!this.#bridge.connected) void this.#bridge.ensure();
      },
      onChange: () => void this.show(),
      signTexts: () => ({
        label: chrome.i18n.getMessage("signLabel"),
        hint: chrome.i18n.getMessage("signHint"),
      }),
    });
    this.ready = this.#begin();
  }

  async #begin(): Promise<void> {
    const [heard, answers] = await Promise.all([
      settings.heard(),
      settings.answers(),
      this.#queue.load(async () => {
        await settings.newProfile();
      }),
    ]);
    this.#state = heard?.state ?? null;
    this.#heardAt = heard?.at ?? 0;
    this.#answers = answers;
  }

  /** Connects if anything could be captured. */
  async reach(): Promise<void> {
    await this.ready;
    if (agreedOrigins(this.#answers).length > 0 || this.#queue.length > 0) await this.#bridge.ensure();
  }

  /** Connects, and stops what has ended by time alone. */
  async tick(): Promise<void> {
    await this.reach();
    await this.pages.judgeAll();
  }

  /** Lets scripts follow permissions and answers, also in tabs that are open. */
  async syncGrants(): Promise<void> {
    this.pages.permissionsChanged();
    await this.ready;
    await this.pages.judgeAll();
    // One after the other: an answer and the browser's word of a permission come together, and register one script.
    const next = this.#syncing.then(async () => injectInto(await syncScripts(this.#answers)));
    this.#syncing = next.catch(() => undefined);
    await next;
  }

  async show(): Promise<void> {
    await this.ready;
    const live = (this.#state?.studies ?? []).filter((study) => isLive(study, Date.now()));
    await showBadge(this.pages.capturedTabs(), {
      trouble:
        !this.#bridge.connected && this.#bridge.trouble !== null && agreedOrigins(this.#answers).length > 0,
      paused: this.#state?.capture === "paused",
      unanswered: live.some((study) =>
        study.origins.some((origin) => !this.#answers[studyKey(study)]?.[origin]),
      ),
    });
  }

  /** Hands everything over, for an update that ends this worker and the scripts in pages. */
  async handOver(): Promise<void> {
    this.pages.flush();
    await new Promise((resolve) => setTimeout(resolve, HANDOVER_MS));
  }

  async answerTo(ask: Ask): Promise<unknown> {
    await this.ready;
    switch (ask.ask) {
      case "overview":
        return this.#overview(ask.tab);
      case "request":
        return this.#request(ask.method, ask.params);
      case "answer":
        return this.#answered(ask);
      case "pair":
        return this.#pair(ask.code);
      case "retry":
        return this.#bridge.ensure();
    }
  }

  async #overview(tab: number | null): Promise<Overview> {
    await this.#bridge.ensure();
    return {
      connected: this.#bridge.connected,
      trouble: this.#bridge.trouble,
      state: this.#bridge.connected ? this.#state : null,
      answers: this.#answers,
      tab: tab === null ? null : this.pages.standing(tab),
      waiting: this.#queue.length,
    };
  }

  async #request(method: string, params: object): Promise<unknown> {
    if (method === "pause") this.pages.stopAll();
    if (method === "forget") {
      const since = Date.now() - Number((params as { minutes?: number }).minutes ?? 0) * MINUTE_MS;
      await this.#queue.drop((row) => row.event.wall_ms >= since);
    }
    return this.#bridge.request(method, params);
  }

  async #answered({ study, version, origin, yes }: Extract<Ask, { ask: "answer" }>): Promise<void> {
    this.#answers = await settings.keepAnswer(study, `${study}@${version}`, origin, yes);
    await this.pages.judgeAll();
    if (!yes) await giveBack(origin, this.#answers);
    await this.syncGrants();
    await this.#dropRefused();
    await this.show();
  }

  /** Takes out what waits for the bridge of sites that may no longer be captured. */
  async #dropRefused(): Promise<void> {
    const permitted = new Map<string, boolean>();
    for (const row of this.#queue.waiting) {
      if (!permitted.has(row.origin))
        permitted.set(row.origin, this.#decide(row.origin, false, await isPermitted(row.origin)).allowed);
    }
    await this.#queue.drop((row) => permitted.get(row.origin) === false);
  }

  async #pair(code: string): Promise<void> {
    const [, port, secret] = /^\s*(\d{1,5})-([A-Z2-7]{5}(?:-[A-Z2-7]{5}){3})\s*$/i.exec(code) ?? [];
    if (port === undefined || secret === undefined) throw new BridgeRefused("pair-code", "");
    if (!(await this.#bridge.pair(Number(port), secret))) throw new BridgeRefused("pair-code", "");
  }

  #decide(origin: string | null, incognito: boolean, permitted: boolean): Decision {
    return decide({
      origin,
      incognito,
      permitted,
      state: this.#state,
      heardAt: this.#bridge.connected ? Date.now() : this.#heardAt,
      answers: this.#answers,
      now: Date.now(),
    });
  }

  async #onState(state: State): Promise<void> {
    this.#state = state;
    this.#heardAt = Date.now();
    if (state.capture !== "capturing") this.pages.stopAll();
    await settings.keepHeard({ state, at: this.#heardAt });
    void this.pages.judgeAll();
  }

  #onHeard(): void {
    const now = Date.now();
    if (this.#state !== null && Math.abs(now - this.#heardAt) > MINUTE_MS / 6) {
      void settings.keepHeard({ state: this.#state, at: now });
    }
    this.#heardAt = now;
  }

  /** Waits for the queue: a new database has a new profile. */
  #whoWeAre(): Promise<Identity> {
    this.#identity ??= this.ready.then(async () => ({
      profile: await settings.profileId(),
      origin: chrome.runtime.getURL("").replace(/\/$/, ""),
    }));
    return this.#identity;
  }
}

const worker = new Worker();

chrome.runtime.onConnect.addListener((port) => {
  if (port.name !== PAGE_PORT) {
    port.disconnect();
    return;
  }
  worker.pages.connect(port);
  // It judges itself as it speaks; a page with very many frames would have all judged for each one.
  void worker.reach();
});

chrome.runtime.onMessage.addListener((ask: Ask, sender, answer: (told: Told<unknown>) => void) => {
  // Only our own windows may ask; a content script has the page's address.
  if (sender.id !== chrome.runtime.id || !sender.url?.startsWith(chrome.runtime.getURL(""))) return false;
  worker.answerTo(ask).then(
    (value) => answer({ value: value ?? null }),
    (error: unknown) => {
      const { code, message, hint } =
        error instanceof BridgeRefused ? error : new BridgeRefused("failed", String(error));
      answer({ error: { code, message, hint } });
    },
  );
  return true;
});

chrome.permissions.onRemoved.addListener(() => void worker.syncGrants());
chrome.permissions.onAdded.addListener(() => void worker.syncGrants());
chrome.tabs.onActivated.addListener(({ tabId }) => void worker.pages.activated(tabId));
chrome.alarms.onAlarm.addListener(() => void worker.tick());
chrome.runtime.onStartup.addListener(() => void worker.syncGrants().then(() => worker.tick()));
chrome.runtime.onUpdateAvailable.addListener(() => {
  void worker.handOver().then(() => chrome.runtime.reload());
});
chrome.runtime.onInstalled.addListener(({ reason }) => {
  void worker.syncGrants().then(() => worker.tick());
  if (reason === "install") void chrome.tabs.create({ url: chrome.runtime.getURL("welcome.html") });
});

void chrome.alarms.create(TICK, { periodInMinutes: TICK_MINUTES });
void worker.ready.then(() => worker.show());
// No event tells that a person switched the extension on again.
void settings.isFirst().then((first) => (first ? worker.syncGrants().then(() => worker.tick()) : undefined));
