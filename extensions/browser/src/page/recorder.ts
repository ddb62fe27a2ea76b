/** One page while it is captured: gives events their time and level, and hands them on. Who follows what is apart. */

import { lower } from "../shared/levels.ts";
import type { Kind, Levels, WireBody, WireElement, WireEvent } from "../shared/wire.ts";
import { parentOf } from "./deep.ts";
import { Describer } from "./element.ts";
import { isMarkedPrivate } from "./privates.ts";
import { FIELD, type Secrets } from "./secrets.ts";
import type { Sign } from "./sign.ts";

/** For so long an element that lies in no private region is not asked again, in milliseconds. */
const OPEN_MS = 500;
const FIELD_TAG = /^(?:INPUT|TEXTAREA|SELECT)$/;

type Listener = (event: Event) => void;

const NOWHERE: WireElement = {
  role: "",
  name: "",
  name_from: "none",
  context: "",
  context_role: "",
  path: "",
  box: [0, 0, 0, 0],
};

export interface Sink {
  add(event: WireEvent): void;
  flush(): void;
}

export class Recorder {
  readonly page: string = crypto.randomUUID();
  readonly #describer = new Describer();
  readonly #stop = new AbortController();
  readonly #pending: (() => void)[] = [];
  readonly #leaving: (() => void)[] = [];
  readonly #onRoot: ((root: ShadowRoot) => void)[] = [];
  readonly #roots = new WeakSet<Node>();
  readonly #openUntil = new WeakMap<Element, number>();
  #levels: Levels;
  #last: Element | null = null;

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

  /** Calls back on events that a person made, until the capture stops. */
  on(target: EventTarget, types: readonly string[], listener: Listener): void {
    for (const type of types) {
      target.addEventListener(
        type,
        (event) => {
          if (event.isTrusted && this.isShown() && event.target !== this.sign?.host) listener(event);
        },
        { capture: true, passive: true, signal: this.#stop.signal },
      );
    }
  }

  /** As `on`, for events that the browser makes itself. */
  onBrowser(target: EventTarget, types: readonly string[], listener: Listener): void {
    for (const type of types) target.addEventListener(type, listener, { signal: this.#stop.signal });
  }

  /** Asks to be told of shadow trees that are acted in: some events do not leave them. */
  onRoot(listener: (root: ShadowRoot) => void): void {
    this.#onRoot.push(listener);
  }

  /** Notes which shadow trees an element stands in. */
  enter(element: Element): void {
    let root = element.getRootNode();
    while (root instanceof ShadowRoot && !this.#roots.has(root)) {
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

  /** Registers what is written when the page goes, before its last event. */
  beforeLeaving(write: () => void): void {
    this.#leaving.push(write);
  }

  /** Writes down all that is left. */
  leave(): void {
    for (const write of this.#leaving) write();
    this.settle();
  }

  /** Writes down what is under way. */
  settle(): void {
    for (const write of this.#pending) write();
  }

  /** Says whether an element may be looked at: neither private nor a secret field, nor in one. */
  mayLook(element: Element): boolean {
    return this.#isOpen(element, performance.now());
  }

  /** What was found open a moment ago is not asked again, but fields are: they may have become secret since. */
  #isOpen(element: Element, now: number): boolean {
    const isField = FIELD_TAG.test(element.tagName) || (element.hasAttributes() && element.matches(FIELD));
    if (isField && this.secrets.covers(element, now)) return false;
    if ((this.#openUntil.get(element) ?? 0) > now) return true;
    if (isMarkedPrivate(element)) return false;
    const above = parentOf(element);
    if (above !== null && !this.#isOpen(above, now)) return false;
    this.#openUntil.set(element, now + OPEN_MS);
    return true;
  }

  /** Describes an element as far as the level of that kind says anything about it. */
  about(kind: Kind, element: Element): WireElement {
    if (this.#levels[kind] === "rhythm") return NOWHERE;
    return this.#describer.describe(element, performance.now());
  }

  /** Keeps an event, reduced to its level. */
  emit(body: WireBody, at: number = performance.now()): void {
    const level = body.kind === "capture.gap" ? "content" : this.#levels[body.kind];
    if (level === undefined || this.#stop.signal.aborted || !this.isShown()) return;
    const event: WireEvent = {
      page: this.page,
      wall_ms: Math.round(Date.now() - Math.max(0, performance.now() - at)),
      mono_ms: Math.round(performance.timeOrigin + at),
      body: lower(body, level),
    };
    this.sink.add(event);
  }

  /** What was acted on last; outlines are drawn around it. */
  get last(): Element | null {
    return this.#last;
  }

  acted(element: Element): void {
    this.#last = element;
  }

  /** Runs `work` later, unless the capture has stopped by then. */
  later(work: () => void, ms: number): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      if (!this.#stop.signal.aborted) work();
    }, ms);
  }

  get stopped(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Ends it: no listener is left. */
  stop(): void {
    this.#stop.abort();
  }
}

/** Gives the number of a form in the page, from 1; 0 for none, or one in a shadow tree. */
export function formNumber(form: HTMLFormElement | null): number {
  return form === null ? 0 : Array.prototype.indexOf.call(document.forms, form) + 1;
}
