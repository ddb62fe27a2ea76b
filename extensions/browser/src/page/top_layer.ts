/** What lies in the browser's top layer, above all that has an index; what is opened last lies above the rest. */

import { shadowOf } from "./deep.ts";
import { allIn, fits, own } from "./own.ts";

const TOP_LAYER = ":modal,:popover-open,:fullscreen";
/** The same but for what fills the screen. */
const OPENED = "dialog:modal,[popover]:popover-open";
/** So many are opened at once, and so many in each second after that; what opens more only wants to be above. */
const MAX_OPENED = 20;
const MAX_OPENED_PER_S = 3;
/** What was opened without a word counts for so many. */
const UNHEARD = 12;
/** With it an element lies over the whole window, and takes the pointer. */
const SPREAD: Keyframe = {
  pointerEvents: "auto",
  visibility: "visible",
  minWidth: "1px",
  minHeight: "1px",
  clipPath: "none",
  translate: "none",
  rotate: "none",
  scale: "none",
  transform: "scale(10000)",
};
/** The search for shadow trees goes on for so long at each look, in milliseconds, and so often after it. */
const SEARCH_MS = 4;
const SEARCHES_AFTER = 2;
const SEARCH_REST_MS = 250;
/** Between two looks at the clock. */
const SEARCH_STEP = 20;

export class TopLayer {
  /** What an element was put above. */
  #below = new WeakSet<Element>();
  /** What was heard to open since then. */
  #heard = new WeakSet<Element>();
  #hears = false;
  /** A modal window that is opened again was closed before, and bears a mark of that. */
  readonly #reopened = new MutationObserver((records) => {
    for (const { target } of records) this.#below.delete(target as Element);
  });
  /** What is open in shadow trees, as far as they were found: their events do not leave them. */
  readonly #inShadow = new Set<Element>();
  /** What was opened unheard: while it is open, nothing is known of its place. */
  readonly #silent = new WeakSet<Element>();
  #isSilent = false;
  readonly #trees = new WeakSet<ShadowRoot>();
  readonly #listening = new AbortController();
  readonly #onBefore = (event: Event): void => this.#opens(event as ToggleEvent);
  readonly #onOpen = ({ target }: Event): void => this.#isOpen(target as Element);
  #search: Iterator<void> | null = null;
  #searches: ReturnType<typeof setTimeout> | undefined;
  /** What is open in the document itself, found once in a look: to find it is to walk through all of it. */
  #inDocument: Element[] | null = null;
  /** How many were opened of late. */
  #opened = 0;
  #openedAt = 0;
  #contested = false;

  /** `onChange` is called when something was opened above an element, or the page closed it. */
  constructor(
    readonly element: Element,
    readonly onChange: () => void,
  ) {}

  /** Listens to what opens, again if the page's listeners are all gone. */
  listen(): void {
    this.#listen(window);
  }

  stop(): void {
    clearTimeout(this.#searches);
    this.#listening.abort();
    this.#reopened.disconnect();
  }

  /** Begins a look: what was found at the last one may be closed by now. */
  begin(): void {
    this.#inDocument = null;
  }

  /** Goes on with the search for what is open in shadow trees. */
  search(goesOn = SEARCHES_AFTER): void {
    clearTimeout(this.#searches);
    const end = performance.now() + SEARCH_MS;
    this.#search ??= this.#searchAll();
    do {
      if (this.#search.next().done) {
        this.#search = null;
        return;
      }
    } while (performance.now() < end);
    if (goesOn > 0) this.#searches = setTimeout(() => this.search(goesOn - 1), SEARCH_REST_MS);
  }

  /** Looks into the shadow trees that lie at a point, within what was found there. */
  searchAt(x: number, y: number, found: Element): void {
    for (let root = shadowOf(found); root !== null; ) {
      this.#enter(root);
      const inner = root.elementFromPoint(x, y);
      root = inner?.getRootNode() === root ? shadowOf(inner) : null;
    }
  }

  /**
   * Puts the element above all others, if something was opened since that was done last and the page lets it stay.
   * To look for what was not heard as well costs a walk through the document.
   */
  settle(unheardToo: boolean, raise: () => void): void {
    if (!unheardToo && !this.#hears) return;
    const above = this.#others().filter((element) => !this.#below.has(element));
    if (above.length === 0) return;
    if (above.some((element) => !this.#heard.has(element))) this.#count(UNHEARD);
    if (!this.isContested) raise();
  }

  /** Notes that the element was put above all others. */
  raised(): void {
    this.begin();
    const others = this.#others();
    this.#below = new WeakSet(others);
    this.#heard = new WeakSet();
    this.#hears = false;
    this.#reopened.disconnect();
    for (const element of others) {
      if (element.matches(":modal")) this.#reopened.observe(element, { attributeFilter: ["open"] });
    }
  }

  /** Says whether a modal window lies below: it makes the element inert, which is then not found at a point. */
  get isAboveModal(): boolean {
    const others = this.#others();
    return others.some((each) => each.matches(":modal")) && others.every((each) => this.#below.has(each));
  }

  /** Says whether something was opened above unheard: a page can keep such an event to itself. */
  isSilentlyAbove(x: number, y: number): boolean {
    for (const element of this.#others()) {
      if (element.checkVisibility() && !this.#isBelow(element, x, y)) {
        this.#silent.add(element);
        this.#isSilent = true;
      }
    }
    return this.isContested;
  }

  /** What lets the pointer through, or is drawn beside its own box, is found at a point only while it is made to. */
  #isBelow(element: Element, x: number, y: number): boolean {
    const spread = element.animate([SPREAD, SPREAD], 1000);
    const tree = element.getRootNode();
    const found = tree instanceof ShadowRoot ? tree.elementsFromPoint : own("elementsFromPoint");
    const isFound = found.call(tree as Document & ShadowRoot, x, y).includes(element);
    const isBelow = own("elementFromPoint").call(document, x, y) === this.element;
    spread.cancel();
    return isFound && isBelow;
  }

  /** Says whether the page opens something so often that nothing else stays above it. */
  get isContested(): boolean {
    this.#forget();
    if (this.#isSilent) this.#isSilent = this.#others().some((element) => this.#silent.has(element));
    return this.#contested || this.#isSilent;
  }

  #others(): Element[] {
    for (const element of this.#inShadow) {
      if (!element.isConnected || !element.matches(TOP_LAYER)) this.#inShadow.delete(element);
    }
    this.#inDocument ??= openIn(document, own("fullscreenElement"));
    const found = new Set([...this.#inDocument, ...this.#inShadow]);
    found.delete(this.element);
    return [...found];
  }

  #listen(tree: EventTarget): void {
    const on = { capture: true, passive: true, signal: this.#listening.signal } as const;
    tree.addEventListener("beforetoggle", this.#onBefore, on);
    tree.addEventListener("toggle", this.#onOpen, on);
    tree.addEventListener("fullscreenchange", this.#onOpen, on);
  }

  /** What is opened again lies above again. */
  #opens({ target, newState, isTrusted }: ToggleEvent): void {
    if (!isTrusted || newState !== "open" || target === this.element) return;
    this.#hear(target as Element);
    this.#count(1);
  }

  #isOpen(target: Element | Document): void {
    const element = target instanceof Element ? target : own("fullscreenElement");
    if (element === this.element && !element.matches(TOP_LAYER)) this.onChange();
    if (element === null || element === this.element || !element.matches(TOP_LAYER)) return;
    if (element.getRootNode() instanceof ShadowRoot) this.#inShadow.add(element);
    this.#hear(element);
    this.onChange();
  }

  #hear(element: Element): void {
    this.#below.delete(element);
    this.#heard.add(element);
    this.#hears = true;
  }

  #count(opened: number): void {
    this.#forget();
    this.#opened = Math.min(this.#opened + opened, MAX_OPENED);
    this.#contested ||= this.#opened === MAX_OPENED;
  }

  #forget(): void {
    const now = performance.now();
    this.#opened = Math.max(0, this.#opened - ((now - this.#openedAt) / 1000) * MAX_OPENED_PER_S);
    this.#openedAt = now;
    if (this.#opened === 0) this.#contested = false;
  }

  /** Walks through the document and all shadow trees in it, a few elements at a time; the page may change meanwhile. */
  *#searchAll(): Generator<void> {
    const trees: Node[] = [document];
    let passed = 0;
    for (const tree of trees) {
      const elements = own("createNodeIterator").call(document, tree, NodeFilter.SHOW_ELEMENT);
      for (let node = elements.nextNode(); node !== null; node = elements.nextNode()) {
        const root = shadowOf(node as Element);
        if (root !== null) {
          this.#enter(root);
          trees.push(root);
        }
        passed += 1;
        if (passed % SEARCH_STEP === 0) yield;
      }
    }
  }

  #enter(root: ShadowRoot): void {
    for (const element of openIn(root, root.fullscreenElement)) this.#inShadow.add(element);
    if (this.#trees.has(root)) return;
    this.#trees.add(root);
    this.#listen(root);
  }
}

/** The browser finds these two by an attribute and by a tag, where for their state it would walk through all elements. */
function openIn(tree: Document | ShadowRoot, full: Element | null): Element[] {
  const dialogs =
    tree === document
      ? Array.from(own("getElementsByTagName").call(document, "dialog"))
      : allIn(tree, "dialog");
  const opened = [...dialogs, ...allIn(tree, "[popover]")].filter((each) => fits(each, OPENED));
  return full === null ? opened : [...opened, full];
}
