/** What an element by itself tells of its use: that it is a field, the page's own component, or for a secret. */

import { classesSecret, completesSecret, namesSecret } from "../shared/secret_names.ts";
import { attributeOf, fits, has, hasAny, localNameOf } from "./own.ts";

/** What a person can enter something into. */
export const FIELD =
  "input,textarea,select,[contenteditable]:not([contenteditable=false i])," +
  "[role=textbox],[role=searchbox],[role=combobox],[role=spinbutton]";
const PLAIN = new Set(["div", "span"]);
const FIELD_TAGS = new Set(["input", "textarea", "select"]);
/** Attributes that name a field for people, and those by which frameworks and tests know it. */
const ATTRIBUTES = (
  "name id aria-label aria-description aria-placeholder placeholder data-placeholder title label data-label " +
  "data-tooltip data-original-title formcontrolname ng-model x-model data-testid data-test data-cy data-qa data-name data-field"
).split(" ");
/** Boxes for one character each are how one-time codes are asked for. */
const CODE_BOX_LENGTH = 1;

/** Every element that was found to be for a secret: once secret, it stays so. */
export const secretElements = new WeakSet<Element>();

/** Says whether an element is itself one to enter something into. */
export function isField(element: Element): boolean {
  return FIELD_TAGS.has(localNameOf(element)) || (hasAny(element) && fits(element, FIELD));
}

/** Says whether an element is of the page's own making: it may be a field that the browser knows nothing of. */
export function isComponent(element: Element): boolean {
  return localNameOf(element).includes("-");
}

/** Says whether an element is one of the browser's own to type into. */
export function isTyped(field: Element): field is HTMLInputElement | HTMLTextAreaElement {
  return field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement;
}

/** Gives what stands in a field now; the text of a text area's element is what stood there at first. */
export function textIn(field: Element): string {
  return isTyped(field) ? field.value : (field.textContent ?? "");
}

/** Says whether an element is none that the browser knows, but may have the focus: the page may take keys there itself. */
export function takesKeys(element: Element): boolean {
  return has(element, "tabindex") && PLAIN.has(localNameOf(element)) && !has(element, "role");
}

/** Gives what an element's own attributes call it. */
export function attributesOf(element: Element): string[] {
  return ATTRIBUTES.map((name) => attributeOf(element, name) ?? "");
}

/** Says whether an element's own attributes make it a secret field. */
export function saysSecret(element: Element): boolean {
  const field = element instanceof HTMLInputElement ? element : null;
  return (
    attributeOf(element, "type")?.toLowerCase() === "password" ||
    field?.maxLength === CODE_BOX_LENGTH ||
    completesSecret(attributeOf(element, "autocomplete") ?? "") ||
    classesSecret(attributeOf(element, "class") ?? "")
  );
}

/** Says whether what stands in a component of the page's own may be a secret that was typed. */
export function mayShowSecret(element: Element): boolean {
  if (secretElements.has(element)) return true;
  return isComponent(element) && (saysSecret(element) || attributesOf(element).some(namesSecret));
}
