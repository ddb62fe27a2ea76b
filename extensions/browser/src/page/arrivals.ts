/** Looks for elements of a kind in a tree. A large one is walked once, and then only what has come into it since. */

import { allBelow, allIn, fits } from "./own.ts";

/** A tree that takes longer to walk than this is followed, in milliseconds; any other costs less to walk again. */
const LONG_WALK_MS = 0.3;
/** So much is noted of what comes; with more the tree is walked again, and no longer followed until then. */
const MAX_NOTED = 32;
/** However little comes, the tree is walked again after so long, in milliseconds. */
const MAX_FOLLOWED_MS = 60_000;

export interface Found {
  /** Whether these are all; else they are those that came since they were last asked for. */
  all: boolean;
  elements: Element[];
}

export class Arrivals {
  readonly #observer = new MutationObserver((records) => this.#note(records));
  /** What came; null for a tree that is not followed. */
  #came: Set<Element> | null = null;
  #records = 0;
  #until = 0;

  /** `attribute` is the one by which an element that is there already comes to match. */
  constructor(
    readonly root: Document | DocumentFragment,
    readonly selector: string,
    readonly attribute: string,
  ) {}

  /** Gives what matches and was not given yet. */
  take(): Found {
    const began = performance.now();
    this.#note(this.#observer.takeRecords());
    this.#records = 0;
    if (this.#came !== null && began < this.#until) {
      const elements = [...this.#came].flatMap((each) => this.#matchesIn(each));
      this.#came.clear();
      return { all: false, elements };
    }
    const elements = allIn(this.root, this.selector);
    const ended = performance.now();
    if (ended - began > LONG_WALK_MS) this.#follow(ended + MAX_FOLLOWED_MS);
    else this.#unfollow();
    return { all: true, elements };
  }

  #matchesIn(element: Element): Element[] {
    const within = Array.from(allBelow(element, this.selector));
    return fits(element, this.selector) ? [element, ...within] : within;
  }

  #follow(until: number): void {
    this.#came = new Set();
    this.#until = until;
    this.#observer.observe(this.root, { subtree: true, childList: true, attributeFilter: [this.attribute] });
  }

  #unfollow(): void {
    this.#came = null;
    this.#observer.disconnect();
  }

  #note(records: readonly MutationRecord[]): void {
    if (this.#came === null) return;
    this.#records += records.length;
    for (const { type, target, addedNodes } of records) {
      for (const node of type === "attributes" ? [target] : addedNodes) {
        if (node instanceof Element) this.#came.add(node);
      }
      if (this.#came.size > MAX_NOTED || this.#records > MAX_NOTED) {
        this.#unfollow();
        return;
      }
    }
  }
}
