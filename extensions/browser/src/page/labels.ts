/** The labels of fields. The browser's own `labels` walks the whole page for each field; this looks once a second. */

import { Arrivals } from "./arrivals.ts";

/** An index of labels is used for so long, in milliseconds. */
const FRESH_MS = 1000;
/** A field that has a label is asked for others so seldom, in milliseconds. */
const FRESH_LABELLED_MS = 5000;

interface Index {
  until: number;
  arrivals: Arrivals;
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
  const labels = (indexOf(root, now).get(id) ?? []).filter((label) => isFor(label, field, id));
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
  const index = indexes.get(root) ?? {
    until: 0,
    arrivals: new Arrivals(root, "label[for]", "for"),
    byId: new Map<string, Element[]>(),
  };
  if (index.until > now) return index.byId;
  indexes.set(root, index);
  const { all, elements } = index.arrivals.take();
  if (all) index.byId.clear();
  for (const label of elements) {
    const id = label.getAttribute("for") ?? "";
    const others = (index.byId.get(id) ?? []).filter((other) => other !== label);
    index.byId.set(id, all ? [...others, label] : [...others, label].sort(byPlace));
  }
  index.until = now + FRESH_MS;
  return index.byId;
}

function byPlace(one: Element, other: Element): number {
  return one.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1;
}
