/** Describes the element of an event: role, name, what it stands in, where it is. Never its markup or value. */

import { phrase } from "../shared/levels.ts";
import type { WireElement } from "../shared/wire.ts";
import { knownTag, type Role } from "../shared/words.ts";
import { parentOf } from "./deep.ts";
import { nameOf, roleOf } from "./names.ts";
import { attributeOf, fits, localNameOf, own } from "./own.ts";
import { isMarkedPrivate, isPrivate } from "./privates.ts";
import { isField } from "./telling.ts";
import { ownText } from "./text.ts";

/** For so long a description is used again, in milliseconds: a double click, a key after a key. */
const FRESH_MS = 1000;
/** That of a field is for longer: it was clicked, typed into and left, and keeps its name and place meanwhile. */
const FRESH_FIELD_MS = 5000;
const MAX_PATH = 400;
const MAX_CLIMB = 64;
/** An icon in a button in a link: what was meant is so many steps above at most. */
const MAX_RAISE = 6;
/** Siblings that are looked at for a heading. */
const MAX_BEFORE = 40;
/** Siblings that are counted for a place among equals; beyond it the place is this number. */
const MAX_COUNTED = 20_000;

const ACTED_ON =
  "a[href],area[href],button,input,select,textarea,summary,option,label,video,audio,[role=button],[role=link],[role=tab]," +
  "[role^=menuitem],[role=option],[role=checkbox],[role=radio],[role=switch],[role=treeitem],[role=slider]," +
  "[role=spinbutton],[role=textbox],[role=combobox],[role=searchbox],[contenteditable]:not([contenteditable=false i])";
const CONTEXT_ROLES: ReadonlySet<string> = new Set(
  (
    "row dialog alertdialog form group radiogroup toolbar menu menubar tablist listbox tree grid navigation main " +
    "region complementary banner contentinfo search listitem article"
  ).split(" "),
);
const HEADING = /^H[1-6]$/;

interface Context {
  context: string;
  context_role: Role;
}

type Steady = Omit<WireElement, "box">;

/** Gives the element that a pointer meant: the button around an icon; the element itself where there is none. */
export function raised(element: Element): Element {
  let at: Element | null = element;
  for (let step = 0; at !== null && step <= MAX_RAISE; step += 1) {
    if (fits(at, ACTED_ON)) return at;
    at = parentOf(at);
  }
  return element;
}

/** Describes elements of one page. */
export class Describer {
  readonly #known = new WeakMap<Element, { until: number; steady: Steady }>();

  /** Gives the description of an element as it is now. */
  describe(element: Element, now: number): WireElement {
    const known = this.#known.get(element);
    const steady = known !== undefined && known.until > now ? known.steady : this.#look(element, now);
    const { x, y, width, height } = element.getBoundingClientRect();
    return { ...steady, box: [Math.round(x), Math.round(y), Math.round(width), Math.round(height)] };
  }

  #look(element: Element, now: number): Steady {
    const role = roleOf(element);
    const steady = { role, ...nameOf(element, role), ...contextOf(element), path: pathOf(element) };
    const fresh = isField(element) ? FRESH_FIELD_MS : FRESH_MS;
    this.#known.set(element, { until: now + fresh, steady });
    return steady;
  }
}

/** Names the row, dialog, form or landmark that an element stands in, else the heading before it. */
function contextOf(element: Element): Context {
  let at = parentOf(element);
  for (let step = 0; at !== null && step < MAX_CLIMB; step += 1) {
    const role = roleOf(at);
    if (CONTEXT_ROLES.has(role)) {
      const name = role === "row" || role === "listitem" ? rowName(at, element) : nameOf(at, role).name;
      if (name !== "") return { context: name, context_role: role };
    }
    at = parentOf(at);
  }
  return headingBefore(element);
}

/** A row is known by its header, else by the first of its cells that says something. */
function rowName(row: Element, element: Element): string {
  const label = attributeOf(row, "aria-label");
  if (label !== null && label.trim() !== "") return phrase(label);
  const header = row.querySelector("th,[role=rowheader]");
  if (header !== null && !isPrivate(header) && !header.contains(element)) return ownText(header);
  for (const cell of Array.from(row.children).slice(0, 4)) {
    const text = isMarkedPrivate(cell) ? "" : ownText(cell);
    if (text !== "") return text;
  }
  return "";
}

function headingBefore(element: Element): Context {
  let at: Element | null = element;
  for (let step = 0; at !== null && step < MAX_CLIMB; step += 1) {
    let before: Element | null = at.previousElementSibling;
    for (let seen = 0; before !== null && seen < MAX_BEFORE; seen += 1) {
      if (HEADING.test(before.tagName) || attributeOf(before, "role") === "heading") {
        const name = isPrivate(before) ? "" : ownText(before);
        return name === "" ? { context: "", context_role: "" } : { context: name, context_role: "heading" };
      }
      before = before.previousElementSibling;
    }
    at = parentOf(at);
  }
  return { context: "", context_role: "" };
}

/** Writes tag names with their place among equals, from the body down; long ones lose their beginning. */
function pathOf(element: Element): string {
  const steps: string[] = [];
  const body = own("body");
  let length = 0;
  let at: Element | null = element;
  for (let step = 0; at !== null && step < MAX_CLIMB && at !== body; step += 1) {
    const name = `${knownTag(localNameOf(at))}:${placeOf(at)}`;
    const shadowed = at.parentElement === null && at.parentNode instanceof ShadowRoot;
    length += name.length + (shadowed ? 9 : 1);
    if (length > MAX_PATH - 8) break;
    steps.push(name);
    if (shadowed) steps.push("#shadow");
    at = parentOf(at);
  }
  if (window !== window.parent) steps.push("#frame");
  return steps.reverse().join("/");
}

function placeOf(element: Element): number {
  if (element instanceof HTMLTableRowElement && element.parentElement instanceof HTMLTableSectionElement) {
    return element.sectionRowIndex + 1;
  }
  let place = 1;
  let before = element.previousElementSibling;
  for (let seen = 0; before !== null && seen < MAX_COUNTED; seen += 1) {
    if (localNameOf(before) === localNameOf(element)) place += 1;
    before = before.previousElementSibling;
  }
  return place;
}
