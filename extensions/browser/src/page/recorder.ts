/** One page while it is captured: gives events their time and level, and hands them on. Who follows what is apart. */

import { lower } from "../shared/levels.ts";
import type { Kind, Levels, WireBody, WireElement, WireEvent } from "../shared/wire.ts";
import { Allowance } from "./allowance.ts";
import { callBegins, Noted } from "./call.ts";
import { isTooDeep, MAX_DEPTH } from "./deep.ts";
import { isLong, whenDrawn } from "./drawn.ts";
import { Describer } from "./element.ts";
import { own, rootOf } from "./own.ts";
import { frameIsPrivate, isPrivate } from "./privates.ts";
import type { Secrets } from "./secrets.ts";
import type { Sign } from "./sign.ts";

type Listener = (event: Event) => void;

const ON = { capture: true, passive: true } as const;

const NOWHERE: WireElement = {
  role: "",
  name: "",
  name_from: "none",
  context: "",
  context_role: "",
  path: "",
  box: [0, 0, 0, 0],
};

/** What a script can bring about as well, by `click()`, `requestSubmit()`, `execCommand()`; the browser vouches for it then too. */
const BY_SCRIPT_TOO = new Set("click auxclick input change submit copy cut paste".split(" "));
const activation = navigator.userActivation as UserActivation | undefined;
/** What is chosen in a window of the browser's own: no script does that, and it may take long. */
const CHOSEN = new Set(
  "select-one select-multiple file date datetime-local month week time color".split(" "),
);

/** Says whether a person had a hand in an event that a script can bring about: they pressed something a moment ago, or chose. */
function isByHand(event: Event): boolean {
  if (activation?.isActive ?? true) return true;
  const [target] = event.composedPath();
  return CHOSEN.has((target as Partial<HTMLInputElement> | undefined)?.type ?? "");
}

export interface Sink {
  /** Takes an event; one of what was entered `into` a field leaves only if the field may still be told of by then. */
  add(event: WireEvent, into: Element | null): void;
  /** Asks to be woken with the next batch, though there may be none. */
  wake(): void;
  flush(): void;
}

/** What takes a while (a trail, a run of keys) and is written down when it is over. */
export interface UnderWay {
  /** Writes it down as far as it came. */
  write(): void;
  /** Says whether there is something to write down. */
  isOpen(): boolean;
  /** Says whether it rested for so long that it is over. */
  isOver(now: number): boolean;
}

/** Does what may stumble over a tree that a page made to make others stumble: that event is lost, and no other. */
function attempt(work: () => void): void {
  try {
    work();
  } catch {
    // What can't be described is not captured.
  }
}

/** What may still be told of, asked anew once in a call: the page can't change while it lasts. */
const stillOpen = new Noted<boolean>();

export class Recorder {
  readonly page: string = crypto.randomUUID();
  readonly #describer = new Describer();
  readonly #allowance = new Allowance();
  readonly #stop = new AbortController();
  readonly #pending: (() => void)[] = [];
  readonly #underWay: UnderWay[] = [];
  readonly #leaving: (() => void)[] = [];
  readonly #onRoot: ((root: ShadowRoot) => void)[] = [];
  readonly #onActed: ((element: Element) => void)[] = [];
  readonly #roots = new WeakSet<Node>();
  readonly #again: (() => void)[] = [];
  readonly #listeners = new WeakMap<EventTarget, Map<string, Listener[]>>();
  #levels: Levels;

  constructor(
    levels: Levels,
    readonly secrets: Secrets,
    readonly sign: Sign | null,
    readonly sink: Sink,
    /** False while the sign can't be seen: then nothing is looked at. */
    readonly isShown: () => boolean,
  ) {
    this.#levels = levels;
  }

  /** Takes over other levels; a kind that is in none of them is not captured. */
  allow(levels: Levels): void {
    this.#levels = levels;
  }

  wants(kind: Kind): boolean {
    return this.#levels[kind] !== undefined;
  }

  /** Calls back on events that a person made, until the capture stops. The browser calls us once for each event. */
  on(target: EventTarget, types: readonly string[], listener: Listener): void {
    const known = this.#listeners.get(target) ?? new Map<string, Listener[]>();
    this.#listeners.set(target, known);
    for (const type of types) {
      const listeners = known.get(type);
      if (listeners === undefined) known.set(type, this.#listen(target, type, [listener]));
      else listeners.push(listener);
    }
  }

  /** As `on`, until `listener` says that it has heard enough; gives what listens again. */
  onUntil(target: EventTarget, type: string, enough: (event: Event) => boolean): () => void {
    let listens = true;
    const isForUs = this.#judgeOf(type);
    const listener = (event: Event): void => {
      if (!isForUs(event) || !enough(event)) return;
      listens = false;
      target.removeEventListener(type, listener, ON);
    };
    const hear = this.#hear(target, type, listener, ON);
    return () => {
      if (listens) return;
      listens = true;
      hear();
    };
  }

  /** As `on`, at most once in so many milliseconds; what comes in between costs next to nothing. */
  onSampled(target: EventTarget, type: string, everyMs: number, listener: Listener): void {
    let next = Number.NEGATIVE_INFINITY;
    const isForUs = this.#judgeOf(type);
    const sample = (event: Event): void => {
      const at = event.timeStamp;
      if (at < next || !isForUs(event)) return;
      next = at + everyMs;
      listener(event);
    };
    this.#hear(target, type, sample, ON);
  }

  #listen(target: EventTarget, type: string, listeners: Listener[]): Listener[] {
    const isForUs = this.#judgeOf(type);
    const call = (event: Event): void => {
      if (!isForUs(event)) return;
      for (const listener of listeners) attempt(() => listener(event));
    };
    this.#hear(target, type, call, ON);
    return listeners;
  }

  /** Has the browser call until the capture stops; gives what listens again. */
  #hear(target: EventTarget, type: string, call: Listener, options: AddEventListenerOptions): () => void {
    const { signal } = this.#stop;
    const add = EventTarget.prototype.addEventListener;
    const listen = (): void => add.call(target, type, call, { ...options, signal });
    listen();
    if (target === window || target === document) this.#again.push(listen);
    return listen;
  }

  /** Listens again where the page let go of all that listened: who listens still is not added twice. */
  listenAgain(): void {
    for (const listen of this.#again) listen();
  }

  /** Gives what says whether an event of a type is a person's, and not their talk with overt. */
  #judgeOf(type: string): (event: Event) => boolean {
    const doubted = BY_SCRIPT_TOO.has(type);
    return (event) => {
      callBegins();
      if (!event.isTrusted || !this.isShown() || event.target === this.sign?.host) return false;
      return !doubted || isByHand(event);
    };
  }

  /** As `on`, for events that the browser makes itself. */
  onBrowser(target: EventTarget, types: readonly string[], listener: Listener): void {
    const call = (event: Event): void => {
      callBegins();
      if (event.isTrusted) listener(event);
    };
    for (const type of types) this.#hear(target, type, call, {});
  }

  /** Asks to be told of shadow trees that are acted in: some events do not leave them. */
  onRoot(listener: (root: ShadowRoot) => void): void {
    this.#onRoot.push(listener);
  }

  /** Notes which shadow trees an element stands in. */
  enter(element: Element): void {
    let root = rootOf(element);
    for (let depth = 0; depth < MAX_DEPTH; depth += 1) {
      if (!(root instanceof ShadowRoot) || this.#roots.has(root)) return;
      this.#roots.add(root);
      this.secrets.watch(root);
      for (const listener of this.#onRoot) listener(root);
      root = root.host.getRootNode();
    }
  }

  /** Registers what writes down what is under way (a trail, a run of keys) before something else happens. */
  beforeOthers(write: () => void): void {
    this.#pending.push(write);
  }

  /** Registers what ends by itself when nothing more comes. Who begins it says `begun`. */
  follow(underWay: UnderWay): void {
    this.#underWay.push(underWay);
    this.beforeOthers(() => underWay.write());
  }

  /** Sees to it that what has begun is written down some time after it is over. */
  begun(): void {
    this.sink.wake();
  }

  /** Writes down what is over, before a batch leaves. */
  settleOver(): void {
    const now = performance.now();
    for (const each of this.#underWay) if (each.isOver(now)) attempt(() => each.write());
    if (this.#underWay.some((each) => each.isOpen())) this.begun();
  }

  /** Registers what is written when the page goes, before its last event. */
  beforeLeaving(write: () => void): void {
    this.#leaving.push(write);
  }

  /** Writes down all that is left. */
  leave(): void {
    for (const write of this.#leaving) attempt(write);
    this.settle();
  }

  /** Writes down what is under way. */
  settle(): void {
    for (const write of this.#pending) attempt(write);
  }

  /** Says whether an element may be looked at: neither private nor a secret field, nor in one. */
  mayLook(element: Element): boolean {
    return this.#isWithin(element) && this.#isOpen(element);
  }

  #isWithin(element: Element): boolean {
    // What was moved into another window is no longer under this page's sign.
    return element.ownerDocument === document && !isTooDeep(element);
  }

  #isOpen(element: Element): boolean {
    const now = performance.now();
    if (this.secrets.coversOwn(element, now) || frameIsPrivate()) return false;
    return !isPrivate(element) && !this.secrets.covers(element, now);
  }

  /** Says whether what was entered into a field may leave the page: it may have become secret since, or be gone. */
  mayTell(field: Element): boolean {
    let may = stillOpen.get(field);
    if (may === undefined) {
      this.secrets.doubt(field);
      may = this.#isOpen(field);
      stillOpen.set(field, may);
    }
    return may;
  }

  /** As `mayLook`, asked anew: since an element was looked at, the page may have turned it into a secret field. */
  mayKeep(element: Element): boolean {
    return this.#isWithin(element) && this.mayTell(element);
  }

  /** Describes an element as far as the level of that kind says anything about it. */
  about(kind: Kind, element: Element): WireElement {
    if (this.#levels[kind] === "rhythm") return NOWHERE;
    return this.#describer.describe(element, performance.now());
  }

  /** Keeps an event, reduced to its level; `into` is the field of what was entered. */
  emit(body: WireBody, at: number = performance.now(), into: Element | null = null): void {
    const level = body.kind === "capture.gap" ? "content" : this.#levels[body.kind];
    if (level === undefined || this.#stop.signal.aborted || !this.isShown()) return;
    const isOfPage = body.kind === "page.open" || body.kind === "page.close";
    if (!isOfPage && !this.#allowance.takes(performance.now())) return;
    const lost = this.#allowance.lost();
    if (lost > 0) this.#add({ kind: "capture.gap", count: lost, reason: "queue-full" }, at);
    this.#add(lower(this.secrets.echoes.without(body), level), at, into);
  }

  #add(body: WireBody, at: number, into: Element | null = null): void {
    const event = {
      page: this.page,
      wall_ms: Math.round(Date.now() - Math.max(0, performance.now() - at)),
      mono_ms: Math.round(performance.timeOrigin + at),
      body,
    };
    this.sink.add(event, into);
  }

  /** Asks to be told what is acted on, before the action itself is written down. */
  onActed(listener: (element: Element) => void): void {
    this.#onActed.push(listener);
  }

  acted(element: Element): void {
    for (const listener of this.#onActed) listener(element);
  }

  /** Runs `work` later, unless the capture has stopped by then. */
  later(work: () => void, ms: number): void {
    setTimeout(() => this.unlessStopped(work), ms);
  }

  /** Does something with an element: at once, or if that is a very long one, when the browser has drawn it. */
  whenReady(element: Element, work: () => void): void {
    if (isLong(element)) whenDrawn(() => this.unlessStopped(() => attempt(work)));
    else work();
  }

  unlessStopped(work: () => void): void {
    callBegins();
    if (!this.#stop.signal.aborted) work();
  }

  /** Ends it: no listener is left. */
  stop(): void {
    this.#stop.abort();
  }
}

/** To count the forms of a page is to walk through it: a number is kept for so long, in milliseconds. */
const FRESH_FORM_MS = 5000;
const numbers = new WeakMap<HTMLFormElement, { until: number; number: number }>();

/** Gives the number of a form in the page, from 1; 0 for none, or one in a shadow tree. */
export function formNumber(form: HTMLFormElement | null): number {
  if (form === null) return 0;
  const now = performance.now();
  const known = numbers.get(form);
  if (known !== undefined && known.until > now) return known.number;
  const number = rootOf(form) === document ? placeAmongForms(form) : 0;
  numbers.set(form, { until: now + FRESH_FORM_MS, number });
  return number;
}

/** Looks up to the form: the browser need not walk further, as it must to say how many there are. */
function placeAmongForms(form: HTMLFormElement): number {
  const forms = own("forms");
  for (let at = 0, each = forms.item(0); each !== null; at += 1, each = forms.item(at)) {
    if (each === form) return at + 1;
  }
  return 0;
}
