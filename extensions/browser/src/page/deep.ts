/** The way through shadow trees: an extension sees open and closed ones alike, the page's own events do not tell. */

import { assignedSlotOf, localNameOf, own, parentElementOf, parentNodeOf, rootOf } from "./own.ts";

interface FirefoxElement {
  openOrClosedShadowRoot?: ShadowRoot | null;
}

/** Where a pointer is: an event of one. */
type Point = Pick<MouseEvent, "clientX" | "clientY">;

/** What the platform lets carry a shadow tree, beside custom elements. */
const HOSTS = new Set(
  "article aside blockquote body div footer h1 h2 h3 h4 h5 h6 header main nav p section span".split(" "),
);
/** Deeper nesting of shadow trees is no page's ... */
export const MAX_DEPTH = 32;
/** ... and the way down through more than a few takes no longer, in milliseconds. */
const FEW = 12;
const MAX_WAY_MS = 20;
/** Where a way down ended for that: what lies below is not known. */
const unknownBelow = new WeakSet<Element>();

/** Asked for once: the browser looks anew at each mention of it. */
let dom: typeof chrome.dom | undefined;

/** Gives the shadow tree that an element carries, open or closed. */
export function shadowOf(element: Element): ShadowRoot | null {
  const localName = localNameOf(element);
  if (!HOSTS.has(localName) && !localName.includes("-")) return null;
  if (element.shadowRoot !== null) return element.shadowRoot;
  dom ??= globalThis.chrome?.dom;
  if (dom?.openOrClosedShadowRoot !== undefined) {
    return element instanceof HTMLElement ? dom.openOrClosedShadowRoot(element) : null;
  }
  return (element as FirefoxElement).openOrClosedShadowRoot ?? null;
}

/** Gives the element that an event is really about; `point` for those of a pointer, else the focus leads on. */
export function targetOf(event: Event, point?: Point): Element {
  // Most events are about what carries no tree of the page's; the path costs more than all else.
  if (event.target instanceof Element && shadowOf(event.target) === null) return event.target;
  const first = event.composedPath()[0] ?? event.target;
  return innermost(
    first instanceof Element ? first : (own("activeElement") ?? own("documentElement")),
    point,
  );
}

/** Goes into shadow trees as far as the point, or the focus, lies in one. */
function innermost(host: Element, point?: Point): Element {
  const end = performance.now() + MAX_WAY_MS;
  let element = host;
  for (let depth = 0; depth < FEW || (depth < MAX_DEPTH && performance.now() < end); depth += 1) {
    const root = shadowOf(element);
    const inner = root && (point ? root.elementFromPoint(point.clientX, point.clientY) : root.activeElement);
    if (!inner || inner === element || inner.getRootNode() !== root) {
      unknownBelow.delete(element);
      return element;
    }
    element = inner;
  }
  unknownBelow.add(element);
  return element;
}

/** Says whether an element lies in more trees than are looked through, or what it carries was not looked through. */
export function isTooDeep(element: Element): boolean {
  if (unknownBelow.has(element)) return true;
  let host = hostOf(element);
  for (let depth = 1; host !== null; depth += 1) {
    if (depth === MAX_DEPTH) return true;
    host = hostOf(host);
  }
  return false;
}

/** Gives the element above, out of a shadow tree into its host. */
export function parentOf(element: Element): Element | null {
  const above = parentElementOf(element);
  if (above !== null) return above;
  const root = parentNodeOf(element);
  return root instanceof ShadowRoot ? root.host : null;
}

/** Finds the nearest element that matches, from this one up, through shadow trees. */
export function closestDeep(element: Element, selector: string): Element | null {
  for (let at: Element | null = element; at !== null; at = hostOf(at)) {
    const found: Element | null = Element.prototype.closest.call(at, selector);
    if (found !== null) return found;
  }
  return null;
}

/** Gives what carries the shadow tree that an element stands in. */
export function hostOf(element: Element): Element | null {
  const root = rootOf(element);
  return root instanceof ShadowRoot ? root.host : null;
}

/** Gives the slot of a component's tree, open or closed, in which a child of the component is shown. */
export function slotOf(element: Element): Element | null {
  const parentElement = parentElementOf(element);
  const root = parentElement === null ? null : shadowOf(parentElement);
  if (root === null) return null;
  const assigned = assignedSlotOf(element);
  if (assigned !== null) return assigned;
  const slots = Array.from(root.querySelectorAll("slot"));
  return slots.find((slot) => slot.assignedElements().includes(element)) ?? null;
}
