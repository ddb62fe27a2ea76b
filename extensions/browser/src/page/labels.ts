/** The labels of fields. The browser's own `labels` walks the whole page for each field; this looks once a second. */

/** An index of labels is used for so long, in milliseconds. */
const FRESH_MS = 1000;

interface Index {
  until: number;
  byId: Map<string, Element[]>;
}

const indexes = new WeakMap<Node, Index>();

/** Gives the elements that label a field: by reference, by `for`, and around it. */
export function labelsOf(field: Element): Element[] {
  const root = field.getRootNode();
  if (!(root instanceof Document || root instanceof ShadowRoot)) return [];
  const around = field.closest("label");
  const named = field.id === "" ? [] : (indexOf(root).get(field.id) ?? []);
  return around === null || named.includes(around) ? named : [...named, around];
}

/** Gives the elements that `aria-labelledby` refers to. */
export function referencesOf(element: Element): Element[] {
  const ids = element.getAttribute("aria-labelledby");
  const root = element.getRootNode();
  if (ids === null || !(root instanceof Document || root instanceof ShadowRoot)) return [];
  return ids
    .split(/\s+/)
    .slice(0, 8)
    .flatMap((id) => (id === "" ? [] : (root.getElementById(id) ?? [])));
}

function indexOf(root: Document | ShadowRoot): Map<string, Element[]> {
  const now = performance.now();
  const known = indexes.get(root);
  if (known !== undefined && known.until > now) return known.byId;
  const byId = new Map<string, Element[]>();
  for (const label of root.querySelectorAll("label[for]")) {
    const id = label.getAttribute("for") ?? "";
    byId.set(id, [...(byId.get(id) ?? []), label]);
  }
  indexes.set(root, { until: now + FRESH_MS, byId });
  return byId;
}
