/** Whether an element has something to show. */

import { Noted } from "./call.ts";

const VISIBLE = { visibilityProperty: true } as const;
const noted = new Noted<boolean>();

/** Says whether an element has something to show; one with `display: contents` shows what stands in it. */
export function isShown(element: Element): boolean {
  let shown = noted.get(element);
  if (shown === undefined) {
    shown = look(element);
    noted.set(element, shown);
  }
  return shown;
}

function look(element: Element): boolean {
  if (typeof element.checkVisibility !== "function") return element.getClientRects().length > 0;
  return element.checkVisibility(VISIBLE) || getComputedStyle(element).display === "contents";
}
