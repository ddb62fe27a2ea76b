/** The browser's own word on whether anything lies over an element or fades it (Intersection Observer, version 2). */

/** Between two looks of the browser, in milliseconds. */
const DELAY_MS = 500;

interface Tracked extends IntersectionObserverEntry {
  isVisible: boolean;
}

interface TrackingInit extends IntersectionObserverInit {
  trackVisibility: true;
  delay: number;
}

const canTell = "isVisible" in IntersectionObserverEntry.prototype;

export class Cover {
  readonly #observer: IntersectionObserver | null;
  #clear: boolean | null = null;

  constructor(
    readonly element: Element,
    readonly onTold: () => void,
  ) {
    const options: TrackingInit = { trackVisibility: true, delay: DELAY_MS };
    this.#observer = canTell ? new IntersectionObserver((entries) => this.#told(entries), options) : null;
  }

  /** Whether the browser tells at all. */
  get tells(): boolean {
    return this.#observer !== null;
  }

  /** True if nothing covers it; null where the browser has not told since it was asked, or never does. */
  get isClear(): boolean | null {
    return this.#clear;
  }

  /** Asks anew. */
  ask(): void {
    this.#clear = null;
    this.#observer?.disconnect();
    this.#observer?.observe(this.element);
  }

  stop(): void {
    this.#observer?.disconnect();
  }

  #told(entries: readonly IntersectionObserverEntry[]): void {
    this.#clear = (entries.at(-1) as Tracked | undefined)?.isVisible ?? null;
    this.onTold();
  }
}
