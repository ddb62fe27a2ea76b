/** The labels of fields. The browser's own `labels` walks the whole page for each field; this looks once a second. */

import { Arrivals } from "./arrivals.ts";
import { attributeOf, own, rootOf } from "./own.ts";

/** An index of labels is used for so long, in milliseconds. */
const FRESH_MS = 1000;
/** A field that has a label is asked for others so seldom, in milliseconds. */
const FRESH_LABELLED_MS = 5000;
/** Labels of one field that are read; more of them no one sees. */
const MAX_LABELS = 8;

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
  const labels: Element[] = [];
  for (const label of indexOf(root, now).get(id) ?? []) {
    if (isFor(label, field, id)) labels.push(label);
    if (labels.length >= MAX_LABELS) break;
  }
  const fresh = isLabelled || labels.length > 0 ? FRESH_LABELLED_MS : FRESH_MS;
  found.set(field, { until: now + fresh, labels });
  return labels;
}

function isFor(label: Element, field: Element, id: string): boolean {
  return attributeOf(label, "for") === id && label.getRootNode() === field.getRootNode();
}

/** Elements that one field refers to. */
const MAX_REFERENCES = 8;
/** Characters in which they are looked for: a page may write millions. */
const MAX_IDS = 2000;

/** What a script may set in place of the attributes, across the trees that the page is made of. */
interface Referring {
  ariaLabelledByElements?: readonly Element[] | null;
  ariaDescribedByElements?: readonly Element[] | null;
}

/** Gives the elements that label an element by `aria-labelledby`. */
export function referencesOf(element: Element): Element[] {
  return referredTo(element, "aria-labelledby", "ariaLabelledByElements");
}

/** Gives the elements that describe an element by `aria-describedby`. */
export function describersOf(element: Element): Element[] {
  return referredTo(element, "aria-describedby", "ariaDescribedByElements");
}

function referredTo(element: Element, attribute: string, property: keyof Referring): Element[] {
  const ids = attributeOf(element, attribute);
  if (ids === null) return [];
  const set = ids === "" ? (element as Referring)[property] : null;
  if (set) return set.slice(0, MAX_REFERENCES);
  const root = rootOf(element);
  if (!(root instanceof Document || root instanceof ShadowRoot)) return [];
  const find = root === document ? own("getElementById") : root.getElementById;
  return ids
    .slice(0, MAX_IDS)
    .split(/\s+/)
    .slice(0, MAX_REFERENCES)
    .flatMap((id) => (id === "" ? [] : (find.call(root, id) ?? [])));
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
    const id = attributeOf(label, "for") ?? "";
    const others = index.byId.get(id) ?? [];
    if (all) {
      if (others.push(label) === 1) index.byId.set(id, others);
      continue;
    }
    const still = others.filter((other) => other !== label && attributeOf(other, "for") === id);
    index.byId.set(id, [...still, label].sort(byPlace));
  }
  index.until = now + FRESH_MS;
  return index.byId;
}

function byPlace(one: Element, other: Element): number {
  return one.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1;
}
