/** What an element by itself tells of its use: that it is a field, the page's own component, or for a secret. */

import { classesSecret, completesSecret, namesSecret } from "../shared/secret_names.ts";
import { attributeOf, fits, has, hasAny, localNameOf, own } from "./own.ts";

/** What a person can enter something into. */
export const FIELD =
  "input,textarea,select,[contenteditable]:not([contenteditable=false i])," +
  "[role=textbox],[role=searchbox],[role=combobox],[role=spinbutton]";
const PLAIN = new Set(["div", "span"]);
const FIELD_TAGS = new Set(["input", "textarea", "select"]);
/** Attributes that name a field for people, and those by which frameworks and tests know it. */
const ATTRIBUTES = (
  "name id aria-label aria-description aria-placeholder placeholder data-placeholder title label data-label " +
  "data-tooltip data-original-title formcontrolname ng-model x-model data-testid data-test data-cy data-qa data-name data-field col-id"
).split(" ");
/** Texts in a field that are looked at: a page may write a million of them. */
const MAX_TEXTS = 2000;
/** A text area that holds more is none that anyone typed, and takes too long to read, in characters. */
const MAX_IN_AREA = 1_000_000;
/** What is shown in place of a secret, or of the form of one: dots, a blank for each character, how a token begins. */
const SHAPE =
  /^(?:[•●∙·*＊]{4,}|(?:_ ){3,7}_|[_#x•]{3}-[_#x•]{2}-[_#x•]{4}|(?:[prs]k[-_](?:live|test|proj)|gh[opsu]_|glpat-|xox[abp]-|akia|aiza|eyj|-----begin).*)$/i;
/** Patterns look ahead for a capital and a digit where a password is chosen. */
const AHEAD = /\(\?=.*\(\?=/;
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

/** Says whether more stands in a text area than can be read at once. */
export function isVast(field: Element): boolean {
  return field instanceof HTMLTextAreaElement && field.textLength > MAX_IN_AREA;
}

/**
 * Gives what stands in a field now, of a rich text so many characters and some more; the text of a text area's element
 * is what stood there at first.
 */
export function textIn(field: Element, most: number): string {
  if (isTyped(field)) return isVast(field) ? "" : field.value;
  let text = "";
  for (const node of textsIn(field)) {
    text += node.substringData(0, most + 1);
    if (text.length > most) break;
  }
  return text;
}

/** Says whether a rich text has more texts than are looked at, or more than so many characters in them. */
export function isLongText(field: Element, most: number): boolean {
  let [texts, length] = [0, 0];
  for (const node of textsIn(field)) {
    texts += 1;
    length += node.length;
    if (texts === MAX_TEXTS || length > most) return true;
  }
  return false;
}

function* textsIn(element: Element): Generator<Text> {
  const texts = own("createTreeWalker").call(document, element, NodeFilter.SHOW_TEXT);
  for (let seen = 0; seen < MAX_TEXTS; seen += 1) {
    const node = texts.nextNode();
    if (node === null) return;
    yield node as Text;
  }
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
    has(element, "passwordrules") ||
    AHEAD.test(attributeOf(element, "pattern") ?? "") ||
    SHAPE.test(attributeOf(element, "placeholder") ?? "") ||
    completesSecret(attributeOf(element, "autocomplete") ?? "") ||
    classesSecret(attributeOf(element, "class") ?? "")
  );
}

/** Says whether what stands in a component of the page's own may be a secret that was typed. */
export function mayShowSecret(element: Element): boolean {
  if (secretElements.has(element)) return true;
  return isComponent(element) && (saysSecret(element) || attributesOf(element).some(namesSecret));
}
