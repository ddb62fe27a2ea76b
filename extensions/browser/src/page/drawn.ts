/** Waiting for the browser: to ask a page for places before it is drawn makes it lay itself out for us. */

import { isEditable, localNameOf, own } from "./own.ts";
import { isLongText } from "./telling.ts";

/** Options of a list that is not long, and characters of a text. */
const MAX_OPTIONS = 1000;
const MAX_TEXT = 1_000_000;

/** Does something when the page was drawn as it is now; at once where no one sees it. */
export function whenDrawn(work: () => void): void {
  if (own("visibilityState") === "hidden") work();
  else requestAnimationFrame(() => setTimeout(work, 0));
}

/** Says whether an element is a list, or in one, or a text that is edited, of which to draw a change may take a while. */
export function isLong(element: Element): boolean {
  const localName = localNameOf(element);
  if (localName === "input" || localName === "textarea") return false;
  if (localName === "select" || localName === "option") return isOfLongList(element);
  return element instanceof HTMLElement && isEditable(element) && isLongText(element, MAX_TEXT);
}

function isOfLongList(element: Element): boolean {
  const list = element.closest("select");
  return list instanceof HTMLSelectElement && list.item(MAX_OPTIONS) !== null;
}
