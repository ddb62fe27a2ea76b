/** The accessibility outline of what stands around an action: a window into the page, never the page. */

import type { WireNode } from "../shared/wire.ts";
import type { State } from "../shared/words.ts";
import { parentOf, shadowOf } from "./deep.ts";
import { nameOf, roleOf } from "./names.ts";
import { attributeOf, hasAny, localNameOf, own } from "./own.ts";
import { isMarkedPrivate, isPrivate } from "./privates.ts";
import type { Secrets } from "./secrets.ts";
import { textOfShown } from "./text.ts";
import { isShown } from "./visible.ts";

/** Nodes of an outline; the schema allows 200. */
const MAX_NODES = 24;
/** Elements looked at for one outline. */
const MAX_VISITED = 60;
/** An outline is cut short after so long, in milliseconds: no action may be felt. */
const MAX_MS = 3;
/** Of the children of one element so many are shown: those nearest to the action, else the first. */
const MAX_CHILDREN = 16;
const MAX_CLIMB = 24;
/** Who acts again so soon saw the same, in milliseconds. */
const FRESH_MS = 1000;
/** Faster than this no one looks again, in milliseconds. */
const HURRY_MS = 700;

const SHOWN: ReadonlySet<string> = new Set(
  (
    "alert alertdialog article banner button caption cell checkbox columnheader combobox complementary contentinfo " +
    "dialog form grid gridcell group heading img link list listbox listitem main menu menubar menuitem " +
    "menuitemcheckbox menuitemradio navigation option progressbar radio radiogroup region row rowheader search " +
    "searchbox slider spinbutton status switch tab table tablist tabpanel textbox toolbar tooltip tree treeitem"
  ).split(" "),
);
const REGIONS: ReadonlySet<string> = new Set(
  (
    "dialog alertdialog form navigation main region search toolbar menu listbox tree grid table tablist tabpanel " +
    "complementary banner contentinfo article"
  ).split(" "),
);
/** Roles whose name already says all that stands in them. */
const LEAVES: ReadonlySet<string> = new Set(
  "button link heading tab option menuitem checkbox radio switch img treeitem tooltip textbox searchbox".split(
    " ",
  ),
);

/** What has a state by itself; anything else only by an attribute. */
const STATEFUL = new Set("input select textarea button option fieldset optgroup".split(" "));

type Stateful = Partial<HTMLInputElement & HTMLOptionElement>;
const NO_STATES: Stateful = {};

/** Draws the outlines of one page. */
export class Outlines {
  #region: Element | null = null;
  #drawn = Number.NEGATIVE_INFINITY;

  /** `sign` is the sign on the page: it is none of the page's own. */
  constructor(
    readonly secrets: Secrets,
    readonly sign: Element | null,
  ) {}

  /** Draws around an element, or the page's beginning; nothing if one was drawn a moment ago. */
  around(element: Element | null, now: number): WireNode[] {
    const acted = element?.isConnected ? element : own("body");
    if (acted === null || isPrivate(acted)) return [];
    const ways = new Map<Element, Element>();
    // What stands in a field was entered; it is no part of the page.
    const region = regionOf(this.secrets.fieldOf(acted) ?? acted, ways);
    const age = now - this.#drawn;
    if (age < FRESH_MS && (region === this.#region || age < HURRY_MS)) return [];
    this.#region = region;
    this.#drawn = now;
    return new Draw(ways, this.secrets, this.sign, now).draw(region, 0);
  }
}

/** Climbs to the region to show, and remembers which child leads back. */
function regionOf(element: Element, ways: Map<Element, Element>): Element {
  let at = element;
  for (let step = 0; step < MAX_CLIMB; step += 1) {
    const above = parentOf(at);
    if (above === null || at === own("body") || (step > 0 && REGIONS.has(roleOf(at)))) break;
    ways.set(above, at);
    at = above;
  }
  return at;
}

/** One drawing. What leads to the action comes first and then what is nearest, so that the limits cut off the rest. */
class Draw {
  readonly #end = performance.now() + MAX_MS;
  readonly #focused = own("activeElement");
  #visited = 0;
  #drawn = 0;

  constructor(
    readonly ways: ReadonlyMap<Element, Element>,
    readonly secrets: Secrets,
    readonly sign: Element | null,
    readonly now: number,
  ) {}

  /** Gives the nodes of an element and of what is below it, in the order of the page. */
  draw(element: Element, depth: number): WireNode[] {
    if (this.#isFull() || element === this.sign || isLeftOut(element)) return [];
    this.#visited += 1;
    if (this.secrets.isSecretField(element, this.now)) return [];
    const role = roleOf(element);
    if (!SHOWN.has(role)) return this.#below(element, depth);
    this.#drawn += 1;
    const states = statesOf(element, element === this.#focused);
    const node = { depth, role, ...nameOf(element, role, role === "row" ? noText : textOfShown), states };
    return LEAVES.has(role) ? [node] : [node, ...this.#below(element, depth + 1)];
  }

  #below(element: Element, depth: number): WireNode[] {
    const assigned = element instanceof HTMLSlotElement ? element.assignedElements() : [];
    if (assigned.length > 0) return this.#assigned(assigned, depth);
    const first = (shadowOf(element) ?? element).firstElementChild;
    const way = this.ways.get(element);
    const pivot = way !== undefined && way.parentNode === first?.parentNode ? way : first;
    if (pivot === null) return [];
    const before: WireNode[][] = [];
    const after = [this.draw(pivot, depth)];
    let back = pivot === first ? null : pivot.previousElementSibling;
    let on = pivot.nextElementSibling;
    for (let seen = 1; seen < MAX_CHILDREN && (back !== null || on !== null) && !this.#isFull(); seen += 1) {
      if (on !== null && (back === null || after.length <= before.length + 1)) {
        after.push(this.draw(on, depth));
        on = on.nextElementSibling;
      } else if (back !== null) {
        before.push(this.draw(back, depth));
        back = back.previousElementSibling;
      }
    }
    return [...before.reverse(), ...after].flat();
  }

  /** What a slot was given stands side by side in the host, but between others perhaps. */
  #assigned(elements: readonly Element[], depth: number): WireNode[] {
    const host = elements[0]?.parentElement;
    const way = host ? this.ways.get(host) : undefined;
    const led = way !== undefined && elements.includes(way) ? this.draw(way, depth) : [];
    const shown = elements.slice(0, MAX_CHILDREN);
    const drawn = shown.map((each) => (each === way ? led : this.draw(each, depth)));
    return way !== undefined && !shown.includes(way) ? [...drawn.flat(), ...led] : drawn.flat();
  }

  #isFull(): boolean {
    return (
      this.#drawn >= MAX_NODES ||
      this.#visited >= MAX_VISITED ||
      (this.#visited % 16 === 15 && performance.now() > this.#end)
    );
  }
}

/** What stands in a row is told by its cells. */
function noText(): string {
  return "";
}

function isLeftOut(element: Element): boolean {
  const marked =
    hasAny(element) && (attributeOf(element, "aria-hidden") === "true" || isMarkedPrivate(element));
  return marked || !isShown(element);
}

function statesOf(element: Element, focused: boolean): State[] {
  const states: State[] = focused ? ["focused"] : [];
  const native = STATEFUL.has(localNameOf(element));
  if (!native && !hasAny(element)) return states;
  const { checked, disabled, selected, required, readOnly } = native ? (element as Stateful) : NO_STATES;
  const expanded = attributeOf(element, "aria-expanded");
  const is = (name: string): boolean => attributeOf(element, `aria-${name}`) === "true";
  if (checked || is("checked")) states.push("checked");
  if (disabled || is("disabled")) states.push("disabled");
  if (expanded !== null) states.push(expanded === "true" ? "expanded" : "collapsed");
  if (selected || is("selected")) states.push("selected");
  if (is("pressed")) states.push("pressed");
  if ((attributeOf(element, "aria-current") ?? "false") !== "false") states.push("current");
  if (required || is("required")) states.push("required");
  if (is("invalid")) states.push("invalid");
  if (readOnly || is("readonly")) states.push("readonly");
  return states;
}
