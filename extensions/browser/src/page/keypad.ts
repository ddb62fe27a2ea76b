/** Keypads that a page draws for a PIN: which of their keys was pressed is the secret itself. */

import { parentOf } from "./deep.ts";

/** From a key to its pad: so many steps at most. */
const MAX_STEPS = 5;
/** From a key to the text on it. */
const MAX_INNER = 3;
/** A pad has a dozen keys and what stands around them; a page has more. */
const MAX_ELEMENTS = 80;
const DIGITS = 10;
/** Characters of a number with the white space around it. */
const MAX_TEXT = 8;
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
    const numbers = numbersIn(at);
    if (numbers === null || numbers.size > DIGITS) return false;
    if (numbers.size === DIGITS) return [...numbers].every((number) => number.length === 1);
    at = parentOf(at);
  }
  return false;
}

/** Gives the numbers that stand on elements within a small one; null if it is none. */
function numbersIn(pad: Element): Set<string> | null {
  const numbers = new Set<string>();
  const open = [pad];
  let seen = 0;
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (let child = at.firstElementChild; child !== null; child = child.nextElementSibling) {
      seen += 1;
      if (seen > MAX_ELEMENTS) return null;
      const number = numberOn(child);
      if (number !== null) numbers.add(number);
      open.push(child);
    }
  }
  return numbers;
}

/** Gives the number that stands on an element, and nothing else; null if there is none. */
function numberOn(element: Element): string | null {
  let at = element;
  for (let step = 0; at.firstElementChild !== null && step < MAX_INNER; step += 1) at = at.firstElementChild;
  if (at instanceof HTMLInputElement) return BUTTONS.has(at.type) ? numberIn(at.value) : null;
  const { firstChild } = at;
  return firstChild instanceof Text && firstChild.nextSibling === null ? numberIn(firstChild.data) : null;
}

function numberIn(text: string): string | null {
  return text.length < MAX_TEXT && /^\s*\d+\s*$/.test(text) ? text.trim() : null;
}
