/** Whether an element has something to show; one with `display: contents` shows what stands in it. */
export function isShown(element: Element): boolean {
  if (typeof element.checkVisibility !== "function") return element.getClientRects().length > 0;
  return (
    element.checkVisibility({ visibilityProperty: true }) || getComputedStyle(element).display === "contents"
  );
}
