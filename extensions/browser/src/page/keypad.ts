/** Keypads that a page draws for a PIN: which of their keys was pressed is the secret itself. */

import { parentOf } from "./deep.ts";

/** From a key to its pad: so many steps at most. */
const MAX_STEPS = 5;
/** From a key to the text on it. */
const MAX_INNER = 3;
/** A pad has a dozen keys and what stands around them; a page has more. */
const MAX_ELEMENTS = 80;
const DIGITS = 10;
const KEY = "button,a,input,[role=button],[tabindex]";
/** Inputs whose value is what stands on them. */
const BUTTONS = new Set(["button", "submit"]);
const CELL = "td,th,[role=cell],[role=gridcell]";

/** Says whether an element is a key, with one digit on it, of a pad that has all ten and no higher number. */
export function isKeypad(element: Element): boolean {
  if (numberOn(element)?.length !== 1) return false;
  if (element.closest(CELL) !== null && element.closest(KEY) === null) return false;
  let at = parentOf(element);
  for (let step = 0; at !== null && step < MAX_STEPS; step += 1) {
    const below = at.getElementsByTagName("*");
    if (below.length > MAX_ELEMENTS) return false;
    const numbers = new Set(Array.from(below, numberOn).filter((number) => number !== null));
    if (numbers.size > DIGITS) return false;
    if (numbers.size === DIGITS) return [...numbers].every((number) => number.length === 1);
    at = parentOf(at);
  }
  return false;
}

/** Gives the number that stands on an element, and nothing else; null if there is none. */
function numberOn(element: Element): string | null {
  let at = element;
  for (let step = 0; at.firstElementChild !== null && step < MAX_INNER; step += 1) at = at.firstElementChild;
  if (at.firstElementChild !== null) return null;
  const text = at instanceof HTMLInputElement ? (BUTTONS.has(at.type) ? at.value : "") : at.textContent;
  return text !== null && text.length < 8 && /^\s*\d+\s*$/.test(text) ? text.trim() : null;
}
