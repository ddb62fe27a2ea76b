/** The sign on a page that is captured. Without it nothing is captured: who shows it, asks it before each batch. */

import type { SignTexts } from "../shared/wire.ts";
import { Cover } from "./cover.ts";
import { own } from "./own.ts";

/** A page that takes the sign away so often does not want to be captured. */
const MAX_RETURNS = 5;
/** So often it is believed to be back where the browser will tell in a moment; then it has to be seen first. */
const BELIEVED_RETURNS = 3;
/** One return is forgotten when it was left alone for so long, in milliseconds. */
const CALM_MS = 10_000;
/** What lies in the browser's top layer, above all that has an index. */
const TOP_LAYER = ":modal,:popover-open,:fullscreen";
const CORNERS = ["right-bottom", "left-bottom", "left-top", "right-top"] as const;

/** The host's style, all of it important: no style sheet of the page wins over it. Set in one go, for all else costs more. */
const HOST_STYLE = [
  "all: initial",
  "position: fixed",
  "display: block",
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
  button {
    all: unset; color-scheme: light dark; box-sizing: border-box; display: inline-flex; align-items: center; gap: 6px; cursor: pointer;
    margin: 8px; padding: 4px 10px 4px 8px; min-height: 24px; border-radius: 13px;
    font: 500 12px/1.2 system-ui, sans-serif; letter-spacing: 0.01em;
    color: light-dark(#3b0d14, #ffe9ec); background: light-dark(#ffeef0, #471019);
    border: 1px solid light-dark(#c4314b, #ff8fa0);
  }
  button:focus-visible { outline: 2px solid light-dark(#1a56db, #9ec1ff); outline-offset: 2px; }
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
  readonly #opened: (event: Event) => void;
  /** Its style as it was written here. */
  #style = "";
  /** What lay in the top layer when it was put above it. */
  #below = new Set<Element>();

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
    root.append(style, this.#button);
    this.#changes = new MutationObserver(() => {
      if (this.#wanted && !this.#isAsPutUp()) onChange();
    });
    this.#cover = new Cover(this.#button, onChange);
    // What is opened again lies above again.
    this.#opened = ({ target }) => this.#below.delete(target as Element);
  }

  /** The element in the page's tree: events on it are the person's talk with overt, not with the page. */
  get host(): Element {
    return this.#host;
  }

  /** Puts the sign up. */
  show(): void {
    this.#wanted = true;
    this.#raise();
    this.#changes.observe(this.#host, { attributes: true });
  }

  /** Takes it down. */
  hide(): void {
    this.#wanted = false;
    this.#changes.disconnect();
    window.removeEventListener("toggle", this.#opened, true);
    this.#cover.stop();
    this.#host.remove();
  }

  /** Says whether a person can see it now: in place, not hidden, nothing above it. Moves it to the top if need be. */
  isSeen(): boolean {
    if (!this.#wanted) return false;
    try {
      return this.#isOnTop() ? this.#stays() : this.#returnsToTop();
    } catch {
      // What the page did to its own tree is no sign.
      return false;
    }
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
    if (!this.#isAsPutUp()) return false;
    if (own("visibilityState") === "hidden") return true;
    const box = this.#button.getBoundingClientRect();
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    const inside = box.width >= 16 && box.height >= 16 && x > 0 && y > 0 && x < innerWidth && y < innerHeight;
    if (!inside || !(this.#cover.isClear ?? this.#isAboveAll(x, y))) return false;
    return this.#host.checkVisibility?.({ opacityProperty: true, visibilityProperty: true }) ?? true;
  }

  #isAsPutUp(): boolean {
    return this.#isInPlace() && this.#host.getAttribute("style") === this.#style;
  }

  #isInPlace(): boolean {
    return this.#host.isConnected && this.#host.parentNode === own("documentElement");
  }

  /** Says whether it is what lies on top at a point, as far as can be asked of the page's tree. */
  #isAboveAll(x: number, y: number): boolean {
    const layer = this.#layer();
    const above = layer.filter((element) => !this.#below.has(element));
    // What lets the pointer through is not found at a point.
    if (above.some((element) => getComputedStyle(element).pointerEvents === "none")) return false;
    if (own("elementFromPoint").call(document, x, y) === this.#host) return true;
    // A modal window makes all else inert, which is not found at a point either.
    return above.length === 0 && layer.some((element) => element.matches(":modal"));
  }

  #layer(): Element[] {
    const found = own("querySelectorAll").call(document, TOP_LAYER);
    return Array.from(found).filter((element) => element !== this.#host);
  }

  /** The top layer is above every index; what entered it last is above all. */
  #raise(): void {
    if (!this.#isInPlace()) own("documentElement").append(this.#host);
    // The root may be another one than before, and those that listened may be gone with it.
    this.#changes.observe(own("documentElement"), { childList: true });
    window.addEventListener("toggle", this.#opened, true);
    this.#place();
    if (typeof this.#host.showPopover === "function") {
      this.#host.setAttribute("popover", "manual");
      if (this.#host.matches(":popover-open")) this.#host.hidePopover();
      this.#host.showPopover();
    }
    this.#below = new Set(this.#layer());
    this.#cover.ask();
  }

  #place(): void {
    const sides = (CORNERS[this.#corner] ?? "right-bottom").split("-").map((side) => `${side}: 0`);
    this.#host.style.cssText = [...HOST_STYLE, ...sides].map((each) => `${each} !important`).join(";");
    this.#style = this.#host.getAttribute("style") ?? "";
  }
}
