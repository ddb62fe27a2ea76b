/** The sign on a page that is captured. Without it nothing is captured: who shows it, asks it before each batch. */

import type { SignTexts } from "../shared/wire.ts";
import { Cover } from "./cover.ts";
import { shadowOf } from "./deep.ts";
import { own } from "./own.ts";
import { TopLayer } from "./top_layer.ts";

/** A page that takes the sign away so often does not want to be captured. */
const MAX_RETURNS = 5;
/** So often it is believed to be back where the browser will tell in a moment; then it has to be seen first. */
const BELIEVED_RETURNS = 2;
/** One return is forgotten when it was left alone for so long, in milliseconds. */
const CALM_MS = 10_000;
/** A change of views of the page's own, which is drawn above everything, takes less, in milliseconds. */
const TRANSITION_MS = 1000;
/** Nothing matches where the browser knows no such change. */
const TRANSITION = ":is(:active-view-transition)";
/** What a page does to all its colours, the sign's too in Firefox, which can be read then. */
const LEGIBLE = /^(none|((grayscale|hue-rotate|sepia)\([^)]*\)|invert\((1|100%)\)| )+)$/;
/** Of the sign's button, in a tree that the page can't look into. */
const MARK = "data-overt-sign";
const CORNERS = ["right-bottom", "left-bottom", "left-top", "right-top"] as const;

/** The host's style, all of it important: no style sheet of the page wins over it. Set in one go, for all else costs more. */
const HOST_STYLE = [
  "all: initial",
  "position: fixed",
  // Firefox ends this script without a word when the extension is disabled: the sign hangs on what goes with it.
  __BROWSER__ === "firefox" ? "display: var(--overt-sign, none)" : "display: block",
  "visibility: visible",
  "opacity: 1",
  "pointer-events: auto",
  "width: auto",
  "height: auto",
  "margin: 0",
  "padding: 0",
  "border: 0",
  "background: transparent",
  "z-index: 2147483647",
  "inset: auto",
];

const STYLE = `
  :host::before, :host::after { content: none !important; }
  button {
    all: unset; color-scheme: light dark; box-sizing: border-box; display: inline-flex; align-items: center; gap: 6px; cursor: pointer;
    margin: 8px; padding: 4px 10px 4px 8px; min-height: 24px; border-radius: 13px;
    font: 500 12px/1.2 system-ui, sans-serif; letter-spacing: 0.01em;
    color: light-dark(#3b0d14, #ffe9ec); background: light-dark(#ffeef0, #471019);
    border: 1px solid light-dark(#c4314b, #ff8fa0);
  }
  button:focus-visible { outline: 2px solid light-dark(#1a56db, #9ec1ff); outline-offset: 2px; }
  @media (resolution < 0.8dppx) { button { zoom: 1.5; } }
  @media (resolution < 0.6dppx) { button { zoom: 2; } }
  @media (resolution < 0.4dppx) { button { zoom: 3; } }
  i { width: 9px; height: 9px; border-radius: 50%; background: light-dark(#c4314b, #ff6b81); flex: none; }
  @media (forced-colors: active) { button { border-color: CanvasText; } i { background: CanvasText; } }
`;

/** A small label in a corner, above everything; a click moves it to the next corner. */
export class Sign {
  readonly #host: HTMLElement;
  readonly #button: HTMLButtonElement;
  #corner = 0;
  #returns = 0;
  #returned = Number.NEGATIVE_INFINITY;
  #wanted = false;
  readonly #changes: MutationObserver;
  readonly #cover: Cover;
  readonly #layer: TopLayer;
  /** Its style as it was written here. */
  #style = "";
  /** Until when a change of views of the page's own is let pass; null while there is none. */
  #transitsUntil: number | null = null;
  #seen = false;
  readonly #onChange: () => void;

  /** `onChange` is called when it may have been taken away, altered or covered. */
  constructor(texts: SignTexts, onChange: () => void) {
    this.#host = document.createElement("div");
    const root = this.#host.attachShadow({ mode: "closed" });
    const style = document.createElement("style");
    style.textContent = STYLE;
    this.#button = document.createElement("button");
    this.#button.type = "button";
    this.#button.title = texts.hint;
    this.#button.setAttribute("aria-label", `${texts.label}. ${texts.hint}`);
    this.#button.append(document.createElement("i"), texts.label);
    this.#button.addEventListener("click", (event) => {
      event.stopPropagation();
      this.#corner = (this.#corner + 1) % CORNERS.length;
      this.#place();
    });
    this.#button.setAttribute(MARK, "");
    root.append(style, this.#button);
    this.#changes = new MutationObserver(() => {
      if (this.#wanted && !this.#isAsPutUp()) onChange();
    });
    this.#cover = new Cover(this.#button, onChange);
    this.#layer = new TopLayer(this.#host, onChange);
    this.#onChange = onChange;
  }

  /** The element in the page's tree: events on it are the person's talk with overt, not with the page. */
  get host(): Element {
    return this.#host;
  }

  /** Puts the sign up. */
  show(): void {
    this.#wanted = true;
    removeLeftOver();
    this.#raise();
    this.#changes.observe(this.#host, { attributes: true });
  }

  /** Takes it down. */
  hide(): void {
    this.#wanted = false;
    this.#changes.disconnect();
    this.#layer.stop();
    this.#cover.stop();
    this.#host.remove();
  }

  /** Whether the browser tells when it is covered; else it has to be looked at more often. */
  get isTold(): boolean {
    return this.#cover.tells;
  }

  /** Says whether a person can see it now: in place, not hidden, nothing above it. Moves it to the top if need be. */
  isSeen(): boolean {
    try {
      this.#seen = this.#wanted && this.#isSeen();
    } catch {
      // What the page did to its own tree is no sign.
      this.#seen = false;
    }
    return this.#seen;
  }

  #isSeen(): boolean {
    if (own("visibilityState") === "hidden") return this.#isAsPutUp();
    if (own("documentElement").matches(TRANSITION)) return this.#mayTransit() && this.#seen;
    this.#transitsUntil = null;
    this.#layer.begin();
    const doubts = !this.#cover.tells || this.#returns > 0;
    if (doubts) this.#layer.search();
    this.#layer.settle(doubts, () => this.#raise());
    if (this.#layer.isContested) return false;
    return this.#isOnTop() ? this.#stays() : this.#returnsToTop();
  }

  /** A change of views is drawn above everything: the sign's picture is in it for a moment, or what the page puts there. */
  #mayTransit(): boolean {
    const now = performance.now();
    if (this.#transitsUntil === null) {
      this.#transitsUntil = now + TRANSITION_MS;
      setTimeout(() => this.#wanted && this.#onChange(), TRANSITION_MS);
    }
    return now < this.#transitsUntil;
  }

  #stays(): boolean {
    const now = performance.now();
    if (this.#returns > 0 && now - this.#returned > CALM_MS) {
      this.#returns -= 1;
      this.#returned = now;
    }
    return true;
  }

  #returnsToTop(): boolean {
    // Who takes it away again and again is not fought with: then nothing is captured.
    if (this.#returns >= MAX_RETURNS) return false;
    this.#returns += 1;
    this.#returned = performance.now();
    this.#raise();
    return (this.#returns <= BELIEVED_RETURNS || !this.#cover.tells) && this.#isOnTop();
  }

  #isOnTop(): boolean {
    if (!this.#isAsPutUp() || !(this.#cover.tells || isLegible())) return false;
    const box = this.#button.getBoundingClientRect();
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    const inside = box.width >= 16 && box.height >= 16 && x > 0 && y > 0 && x < innerWidth && y < innerHeight;
    if (!inside || !this.#isClear(x, y)) return false;
    return this.#host.checkVisibility?.({ opacityProperty: true, visibilityProperty: true }) ?? true;
  }

  #isAsPutUp(): boolean {
    return this.#isInPlace() && this.#host.getAttribute("style") === this.#style && this.#isOpen();
  }

  #isInPlace(): boolean {
    return this.#host.isConnected && this.#host.parentNode === own("documentElement");
  }

  #isOpen(): boolean {
    return this.#host.matches(":popover-open");
  }

  /** Says whether nothing covers it: the browser's word is enough while nothing did so of late. */
  #isClear(x: number, y: number): boolean {
    const told = this.#cover.isClear;
    return told !== false && ((told === true && this.#returns === 0) || this.#isAboveAll(x, y));
  }

  /** Says whether it is what lies on top at a point, as far as can be asked of the page's tree. */
  #isAboveAll(x: number, y: number): boolean {
    const found = own("elementFromPoint").call(document, x, y);
    // Where the browser tells, it does so in a moment; a batch waits longer.
    const willTell = this.#cover.tells && this.#returns === 0;
    if (found === this.#host) return willTell || !this.#layer.isSilentlyAbove(x, y);
    if (found !== null) this.#layer.searchAt(x, y, found);
    return this.#layer.isAboveModal;
  }

  /** The top layer is above every index; what entered it last is above all. */
  #raise(): void {
    if (!this.#isInPlace()) own("documentElement").append(this.#host);
    // The root may be another one than before, and those that listened may be gone with it.
    this.#changes.observe(own("documentElement"), { childList: true });
    this.#layer.listen();
    this.#place();
    this.#host.setAttribute("popover", "manual");
    if (this.#isOpen()) this.#host.hidePopover();
    this.#host.showPopover();
    this.#layer.raised();
    this.#cover.ask();
  }

  #place(): void {
    const sides = (CORNERS[this.#corner] ?? "right-bottom").split("-").map((side) => `${side}: 0`);
    this.#host.style.cssText = [...HOST_STYLE, ...sides].map((each) => `${each} !important`).join(";");
    this.#style = this.#host.getAttribute("style") ?? "";
  }
}

/** Takes away the signs of scripts that the browser ended before they could. */
function removeLeftOver(): void {
  for (const each of Array.from(own("documentElement").children))
    if (each.hasAttribute("popover") && shadowOf(each)?.querySelector(`[${MARK}]`)) each.remove();
}

function isLegible(): boolean {
  return LEGIBLE.test(getComputedStyle(own("documentElement")).filter);
}
