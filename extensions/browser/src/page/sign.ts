/** The sign on a page that is captured. Without it nothing is captured: who shows it, asks it before each batch. */

import type { SignTexts } from "../shared/wire.ts";

/** A page that takes the sign away so often does not want to be captured. */
const MAX_RETURNS = 5;
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
  #wanted = false;
  readonly #removal: MutationObserver;

  constructor(texts: SignTexts) {
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
    this.#removal = new MutationObserver(() => this.#comeBack());
  }

  /** The element in the page's tree: events on it are the person's talk with overt, not with the page. */
  get host(): Element {
    return this.#host;
  }

  /** Puts the sign up. */
  show(): void {
    this.#wanted = true;
    this.#raise();
    this.#removal.observe(document.documentElement, { childList: true });
  }

  /** Takes it down. */
  hide(): void {
    this.#wanted = false;
    this.#removal.disconnect();
    this.#host.remove();
  }

  /** Says whether a person can see it now: in place, not hidden, nothing above it. Moves it to the top if need be. */
  isSeen(): boolean {
    if (!this.#wanted) return false;
    if (this.#isOnTop()) {
      this.#returns = Math.max(0, this.#returns - 1);
      return true;
    }
    // Who takes it away again and again is not fought with: then nothing is captured.
    if (this.#returns >= MAX_RETURNS) return false;
    this.#returns += 1;
    this.#raise();
    return this.#isOnTop();
  }

  #isOnTop(): boolean {
    if (!this.#host.isConnected) return false;
    if (document.visibilityState === "hidden") return true;
    const box = this.#button.getBoundingClientRect();
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    const inside = box.width >= 16 && box.height >= 16 && x > 0 && y > 0 && x < innerWidth && y < innerHeight;
    if (!inside || document.elementFromPoint(x, y) !== this.#host) return false;
    return this.#host.checkVisibility?.({ opacityProperty: true, visibilityProperty: true }) ?? true;
  }

  #comeBack(): void {
    if (!this.#wanted || this.#host.isConnected || this.#returns >= MAX_RETURNS) return;
    this.#returns += 1;
    this.#raise();
  }

  /** The top layer is above every index; what entered it last is above all. */
  #raise(): void {
    if (!this.#host.isConnected) document.documentElement.append(this.#host);
    this.#place();
    if (typeof this.#host.showPopover !== "function") return;
    this.#host.setAttribute("popover", "manual");
    if (this.#host.matches(":popover-open")) this.#host.hidePopover();
    this.#host.showPopover();
  }

  #place(): void {
    const sides = (CORNERS[this.#corner] ?? "right-bottom").split("-").map((side) => `${side}: 0`);
    this.#host.style.cssText = [...HOST_STYLE, ...sides].map((each) => `${each} !important`).join(";");
  }
}
