/** Rows of narrow fields for one character each, or four: how a page asks for a code, a PIN, the number of a card. */

import { isLabelled, namesOf } from "./field_names.ts";
import { allBelow } from "./own.ts";
import { FIELD, textIn } from "./telling.ts";

/** Cells of one code. */
const FEWEST = 4;
const MOST = 10;
/** From a cell to its row. */
const MAX_STEPS = 4;
/** Of a cell, in pixels. */
const MAX_WIDTH = 64;
/** Cells of one row differ by so much at most, in pixels. */
const SLACK = 4;
/** A text that is longer is no character with some white space around it. */
const MAX_LOOKED_AT = 1000;
/** The digits of a card stand in fours. */
const PART = 4;
const IN_TABLE = "td,th,[role=cell],[role=gridcell]";
/** A label that only counts: "Digit 1", "Zeichen 2 von 6". */
const COUNTS = /^\D{0,20}\d\D{0,10}\d?$/;

/** Says whether a field is a cell of a row in which there is nothing else to enter. */
export function isCodeCell(field: Element): boolean {
  const isCell = isNarrow(field);
  if ((!isCell && !isPart(field)) || field.closest(IN_TABLE) !== null) return false;
  let at = field.parentElement;
  for (let step = 0; at !== null && step < MAX_STEPS; step += 1) {
    const fields = Array.from(allBelow(at, FIELD));
    if (fields.length > MOST) return false;
    if (fields.length >= FEWEST)
      return areParts(fields, field) || (isCell && isRow(fields) && !isNamed(field));
    at = at.parentElement;
  }
  return false;
}

function isPart(field: Element): boolean {
  return field instanceof HTMLInputElement && field.maxLength === PART;
}

/** Says whether a field is one of four or more such in a row. */
function areParts(fields: readonly Element[], field: Element): boolean {
  if (!isPart(field)) return false;
  const at = fields.indexOf(field);
  let [first, last] = [at, at];
  while (first > 0 && isPart(fields[first - 1] as Element)) first -= 1;
  while (last + 1 < fields.length && isPart(fields[last + 1] as Element)) last += 1;
  return last - first + 1 >= FEWEST;
}

function isRow(fields: readonly Element[]): boolean {
  if (!fields.every(isNarrow)) return false;
  const [first, ...others] = fields.map((field) => field.getBoundingClientRect());
  if (first === undefined) return false;
  return others.every(
    ({ y, width }) => Math.abs(y - first.y) <= first.height && Math.abs(width - first.width) <= SLACK,
  );
}

/** Says whether a field has room for one character, and no more than one in it. */
function isNarrow(field: Element): boolean {
  const text = textIn(field, MAX_LOOKED_AT);
  if (text.length > MAX_LOOKED_AT || Array.from(text.trim()).length > 1) return false;
  const { width } = field.getBoundingClientRect();
  return width > 0 && width <= MAX_WIDTH;
}

function isNamed(field: Element): boolean {
  return isLabelled(field) && !namesOf(field).some((name) => COUNTS.test(name.trim()));
}
