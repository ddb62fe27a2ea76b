/** The accessibility outline of what stands around an action: a window into the page, never the page. */

import type { WireNode } from "../shared/wire.ts";
import { parentOf, shadowOf } from "./deep.ts";
import { quickNameOf, roleOf } from "./names.ts";
import { isMarkedPrivate, isPrivate } from "./privates.ts";
import { FIELD, type Secrets } from "./secrets.ts";
import { isShown } from "./visible.ts";

/** Nodes of an outline; the schema allows 200. */
const MAX_NODES = 50;
/** Elements looked at for one outline. */
const MAX_VISITED = 160;
/** An outline is cut short after so long, in milliseconds: no action may be felt. */
const MAX_MS = 5;
/** Of many brothers those around the action are shown: so many before and behind. */
const MANY = 16;
const AROUND = 5;
const MAX_CLIMB = 24;

const SHOWN = new Set(
  (
    "alert alertdialog article banner button caption cell checkbox columnheader combobox complementary contentinfo " +
    "dialog form grid gridcell group heading img link list listbox listitem main menu menubar menuitem " +
    "menuitemcheckbox menuitemradio navigation option progressbar radio radiogroup region row rowheader search " +
    "searchbox slider spinbutton status switch tab table tablist tabpanel textbox toolbar tooltip tree treeitem"
  ).split(" "),
);
const REGIONS = new Set(
  (
    "dialog alertdialog form navigation main region search toolbar menu listbox tree grid table tablist tabpanel " +
    "complementary banner contentinfo article"
  ).split(" "),
);
/** Roles whose name already says all that stands in them. */
const LEAVES = new Set(
  "button link heading tab option menuitem checkbox radio switch img treeitem tooltip".split(" "),
);

/** Draws the outline around an element; without one, of the page's beginning. */
export function outlineAround(element: Element | null, secrets: Secrets, now: number): WireNode[] {
  const start = element?.isConnected ? element : document.body;
  if (start === null || isPrivate(start)) return [];
  const trail = new Set<Element>();
  const draw = new Draw(trail, secrets, now);
  draw.add(regionOf(start, trail), 0);
  return draw.nodes;
}

/** Climbs to the region to show, and remembers the way. */
function regionOf(element: Element, trail: Set<Element>): Element {
  let at = element;
  for (let step = 0; step < MAX_CLIMB; step += 1) {
    trail.add(at);
    const above = parentOf(at);
    if (above === null || at === document.body || (step > 0 && REGIONS.has(roleOf(at)))) break;
    at = above;
  }
  return at;
}

class Draw {
  readonly nodes: WireNode[] = [];
  readonly #end: number;
  #visited = 0;

  constructor(
    readonly trail: ReadonlySet<Element>,
    readonly secrets: Secrets,
    readonly now: number,
  ) {
    this.#end = performance.now() + MAX_MS;
  }

  add(element: Element, depth: number): void {
    if (this.#isFull() || isMarkedPrivate(element) || isHidden(element)) return;
    this.#visited += 1;
    if (element.matches(FIELD) && this.secrets.covers(element, this.now)) return;
    const role = roleOf(element);
    const shown = SHOWN.has(role);
    if (shown) this.nodes.push({ depth, role, ...quickNameOf(element, role), states: statesOf(element) });
    if (shown && LEAVES.has(role)) return;
    for (const child of this.#children(element)) this.add(child, shown ? depth + 1 : depth);
  }

  #isFull(): boolean {
    return (
      this.nodes.length >= MAX_NODES ||
      this.#visited >= MAX_VISITED ||
      (this.#visited % 16 === 15 && performance.now() > this.#end)
    );
  }

  #children(element: Element): Iterable<Element> {
    const parent = shadowOf(element) ?? element;
    if (parent.childElementCount <= MANY) return take(parent.firstElementChild, MANY);
    let pivot: Element | null = null;
    for (const each of this.trail) if (each.parentNode === parent) pivot = each;
    return pivot === null ? take(parent.firstElementChild, 2 * AROUND) : around(pivot);
  }
}

function take(from: Element | null, most: number): Element[] {
  const taken: Element[] = [];
  for (let at = from; at !== null && taken.length < most; at = at.nextElementSibling) taken.push(at);
  return taken;
}

function around(pivot: Element): Element[] {
  let from = pivot;
  for (let step = 0; step < AROUND && from.previousElementSibling !== null; step += 1) {
    from = from.previousElementSibling;
  }
  return take(from, 2 * AROUND + 1);
}

function isHidden(element: Element): boolean {
  return element.getAttribute("aria-hidden") === "true" || !isShown(element);
}

function statesOf(element: Element): string[] {
  const is = (name: string): boolean => element.getAttribute(`aria-${name}`) === "true";
  const native = element as Partial<HTMLInputElement & HTMLOptionElement & HTMLDetailsElement>;
  const expanded = element.getAttribute("aria-expanded");
  const states: [string, boolean][] = [
    ["checked", is("checked") || native.checked === true],
    ["disabled", is("disabled") || native.disabled === true],
    ["expanded", expanded === "true"],
    ["collapsed", expanded === "false"],
    ["selected", is("selected") || native.selected === true],
    ["pressed", is("pressed")],
    ["current", (element.getAttribute("aria-current") ?? "false") !== "false"],
    ["required", is("required") || native.required === true],
    ["invalid", is("invalid")],
    ["readonly", is("readonly") || native.readOnly === true],
    ["focused", element === document.activeElement],
  ];
  return states.filter(([, holds]) => holds).map(([name]) => name);
}
