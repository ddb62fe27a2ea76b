/** Keypads and keyboards that a page draws for a PIN or a password: which of their keys was pressed is the secret. */

import { parentOf } from "./deep.ts";
import { attributeOf } from "./own.ts";

/** From a key to its pad: so many steps at most. */
const MAX_STEPS = 5;
/** From a key to the text on it. */
const MAX_INNER = 3;
/** A pad has a dozen keys and what stands around them; a page has more. */
const MAX_ELEMENTS = 80;
/** As much for a keyboard. */
const MAX_OF_KEYBOARD = 250;
const DIGITS = 10;
/** Keys of a keyboard with a letter on them: the fewest that an alphabet needs. */
const LETTERS = 20;
/** Characters of a sign with the white space around it. */
const MAX_TEXT = 8;
const KEY = "button,a,input,[role=button],[tabindex]";
/** Inputs whose value is what stands on them. */
const BUTTONS = new Set(["button", "submit"]);
/** Where a page keeps which key it is that it shows as a picture. */
const KEY_OF = ["data-value", "data-key", "data-digit", "data-num", "data-number"];
const CELL = "td,th,[role=cell],[role=gridcell],[role=columnheader],[role=rowheader]";
const NUMBER = /^\d+$/;
const LETTER = /^\p{L}$/u;

/**
 * Says whether an element is a key, with one digit on it, of a pad that has all ten and no higher number; or one of a
 * keyboard, with one letter on it.
 */
export function isKeypad(element: Element): boolean {
  if (isKey(element) || isInDrawnPad(element)) return true;
  const key = element.closest(KEY);
  return key !== null && key !== element && isKey(key);
}

/** Says whether an element lies in a picture of a pad: any shape in it may be a key's. */
function isInDrawnPad(element: Element): boolean {
  const picture = element instanceof SVGElement ? element.ownerSVGElement : null;
  const numbers = picture && signsIn(picture, NUMBER, MAX_ELEMENTS);
  return numbers?.size === DIGITS && [...numbers].every((number) => number.length === 1);
}

function isKey(element: Element): boolean {
  const sign = signOn(element);
  if (sign === null || sign.length !== 1) return false;
  if (element.closest(CELL) !== null && element.closest(KEY) === null) return false;
  // A register of names from A to Z is made of links.
  if (!NUMBER.test(sign)) return element.closest("a[href]") === null && isOfKeyboard(element);
  for (const numbers of signsAround(element, NUMBER, MAX_ELEMENTS)) {
    if (numbers.size > DIGITS) return false;
    if (numbers.size === DIGITS) return [...numbers].every((number) => number.length === 1);
  }
  return false;
}

function isOfKeyboard(element: Element): boolean {
  for (const letters of signsAround(element, LETTER, MAX_OF_KEYBOARD))
    if (letters.size >= LETTERS) return true;
  return false;
}

/** Gives the signs of one kind in what an element stands in, step by step, as long as that is small. */
function* signsAround(element: Element, kind: RegExp, most: number): Generator<Set<string>> {
  let at = parentOf(element);
  for (let step = 0; at !== null && step < MAX_STEPS; step += 1) {
    const signs = signsIn(at, kind, most);
    if (signs === null) return;
    yield signs;
    at = parentOf(at);
  }
}

/** Gives the signs of one kind that stand on elements within a small one; null if it is none. */
function signsIn(pad: Element, kind: RegExp, most: number): Set<string> | null {
  const signs = new Set<string>();
  const open = [pad];
  let seen = 0;
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (let child = at.firstElementChild; child !== null; child = child.nextElementSibling) {
      seen += 1;
      if (seen > most) return null;
      const sign = signOn(child);
      if (sign !== null && kind.test(sign)) signs.add(sign);
      open.push(child);
    }
  }
  return signs;
}

/** Gives the number or the letter that stands on an element, and nothing else; null if there is none. */
function signOn(element: Element): string | null {
  const label = attributeOf(element, "aria-label");
  if (label !== null) return signIn(label);
  let at = element;
  for (let step = 0; at.firstElementChild !== null && step < MAX_INNER; step += 1) at = at.firstElementChild;
  if (at instanceof HTMLInputElement) return BUTTONS.has(at.type) ? signIn(at.value) : null;
  if (at instanceof HTMLImageElement) return signIn(at.alt);
  const { firstChild } = at;
  if (firstChild === null)
    return signIn(KEY_OF.map((name) => attributeOf(at, name)).find((key) => key) ?? "");
  return firstChild instanceof Text && firstChild.nextSibling === null ? signIn(firstChild.data) : null;
}

function signIn(text: string): string | null {
  if (text.length >= MAX_TEXT) return null;
  const sign = text.trim();
  return NUMBER.test(sign) || LETTER.test(sign) ? sign : null;
}
