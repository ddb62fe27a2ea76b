/** Whether an element has something to show, asked once while one call of ours lasts: the page can't change meanwhile. */

const asked = new Map<Element, boolean>();

/** Says whether an element has something to show; one with `display: contents` shows what stands in it. */
export function isShown(element: Element): boolean {
  let shown = asked.get(element);
  if (shown === undefined) {
    shown = look(element);
    if (asked.size === 0) queueMicrotask(() => asked.clear());
    asked.set(element, shown);
  }
  return shown;
}

function look(element: Element): boolean {
  if (typeof element.checkVisibility !== "function") return element.getClientRects().length > 0;
  return (
    element.checkVisibility({ visibilityProperty: true }) || getComputedStyle(element).display === "contents"
  );
}
