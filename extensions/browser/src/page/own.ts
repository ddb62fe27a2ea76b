/** What belongs to the document itself: a form or a picture of the page that is called `body` answers to `document.body`. */

/** How each is read, found once: what a page's element stands in for is found on the prototype alone. */
const readers = new Map<keyof Document, () => unknown>();

/** Gives a property of the document that nothing in the page stands in for. */
export function own<Key extends keyof Document>(name: Key): Document[Key] {
  let read = readers.get(name);
  if (read === undefined) {
    read = readerOf(name);
    readers.set(name, read);
  }
  return read() as Document[Key];
}

function readerOf(name: keyof Document): () => unknown {
  const found = Object.getOwnPropertyDescriptor(Document.prototype, name);
  return found?.get?.bind(document) ?? (() => Reflect.get(Document.prototype, name, document));
}

/** Finds all elements that match in a document or a shadow tree. */
export function allIn<Kind extends Element>(root: Document | DocumentFragment, selector: string): Kind[] {
  const find = root === document ? own("querySelectorAll") : root.querySelectorAll;
  return Array.from(find.call(root, selector) as NodeListOf<Kind>);
}

/** As much for an element: a form with a field that is called `parentElement` answers with the field. */
export const parentElementOf = getterOf<Element>(Node.prototype, "parentElement");
export const parentNodeOf = getterOf<ParentNode>(Node.prototype, "parentNode");
export const assignedSlotOf = getterOf<HTMLSlotElement>(Element.prototype, "assignedSlot");

const localName = getterOf<string>(Element.prototype, "localName");
const editable = getterOf<boolean>(HTMLElement.prototype, "isContentEditable");
const { getAttribute, getElementsByTagName, hasAttribute, hasAttributes, matches } = Element.prototype;
const { querySelector, querySelectorAll } = Element.prototype;
const { getRootNode } = Node.prototype;

export function localNameOf(element: Element): string {
  return localName(element) ?? "";
}

export function isEditable(element: HTMLElement): boolean {
  return editable(element) ?? false;
}

export function attributeOf(element: Element, name: string): string | null {
  return getAttribute.call(element, name);
}

export function has(element: Element, name: string): boolean {
  return hasAttribute.call(element, name);
}

export function hasAny(element: Element): boolean {
  return hasAttributes.call(element);
}

export function fits(element: Element, selector: string): boolean {
  return matches.call(element, selector);
}

export function firstBelow(element: Element, selector: string): Element | null {
  return querySelector.call(element, selector);
}

export function allBelow<Kind extends Element>(element: Element, selector: string): NodeListOf<Kind> {
  return querySelectorAll.call(element, selector) as NodeListOf<Kind>;
}

/** Says whether more elements than so many stand in an element; the browser need not count them all. */
export function holdsMore(element: Element, most: number): boolean {
  return getElementsByTagName.call(element, "*").item(most) !== null;
}

export function rootOf(element: Element): Node {
  return getRootNode.call(element);
}

function getterOf<Kind>(prototype: object, name: string): (element: Element) => Kind | null {
  const get = Object.getOwnPropertyDescriptor(prototype, name)?.get;
  return (element) => (get?.call(element) as Kind | null | undefined) ?? null;
}
