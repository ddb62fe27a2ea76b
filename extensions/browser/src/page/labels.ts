/** The labels of fields. The browser's own `labels` walks the whole page for each field; this looks once a second. */

/** An index of labels is used for so long, in milliseconds. */
const FRESH_MS = 1000;
/** A field that has a label is asked for others so seldom, in milliseconds. */
const FRESH_LABELLED_MS = 5000;

interface Index {
  until: number;
  byId: Map<string, Element[]>;
}

const indexes = new WeakMap<Node, Index>();
const found = new WeakMap<Element, { until: number; labels: Element[] }>();

/** Gives the elements that label a field: by `for`, and around it. */
export function labelsOf(field: Element): Element[] {
  const around = field.closest("label");
  const named = field.id === "" ? [] : namedBy(field, field.id, around !== null);
  return around === null || named.includes(around) ? named : [...named, around];
}

/** Gives the labels `for` a field; those found before as long as they still are. */
function namedBy(field: Element, id: string, isLabelled: boolean): Element[] {
  const known = found.get(field);
  const now = performance.now();
  if (known !== undefined && known.until > now && known.labels.every((label) => isFor(label, field, id))) {
    return known.labels;
  }
  const root = field.getRootNode();
  if (!(root instanceof Document || root instanceof ShadowRoot)) return [];
  const labels = indexOf(root, now).get(id) ?? [];
  const fresh = isLabelled || labels.length > 0 ? FRESH_LABELLED_MS : FRESH_MS;
  found.set(field, { until: now + fresh, labels });
  return labels;
}

function isFor(label: Element, field: Element, id: string): boolean {
  return label.getAttribute("for") === id && label.getRootNode() === field.getRootNode();
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

function indexOf(root: Document | ShadowRoot, now: number): Map<string, Element[]> {
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
