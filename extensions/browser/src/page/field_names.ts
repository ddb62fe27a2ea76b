/** All that a page says of what a field is for: in attributes, in labels, and in what stands beside and around it. */

import { saysNothing } from "../shared/secret_names.ts";
import { parentOf, shadowOf } from "./deep.ts";
import { describersOf, labelsOf, referencesOf } from "./labels.ts";
import { attributeOf, firstBelow, fits, holdsMore, localNameOf, own } from "./own.ts";
import { attributesOf, isComponent } from "./telling.ts";
import { drawnText, ownText, textOrPicture } from "./text.ts";

const MAX_NAME = 200;
/** What stands beside a field and is longer than this is no label but a sentence, in characters. */
const MAX_BESIDE = 40;
/** A button that shows what was entered stands beside a field, or in a wrapper beside it, as here in languages that components speak. */
const SHOWS =
  /show|hide|toggle|reveal|visib|display|anzeig|verberg|blenden|affich|masqu|mostra|ocult|nascond|表示|隐藏|显示/i;
const BUTTON = "button,[role=button],[role=switch]";
/** A cell in a row in a wrapper: from a field its label is so many steps up at most. */
const MAX_STEPS = 5;
/** As many from a value to what its key stands in. */
const MAX_KEY_STEPS = 3;
/** Siblings without a text that lie between a field and its label. */
const MAX_SIBLINGS = 20;
/** Groups and components are looked for so many steps up. */
const MAX_AROUND = 6;
/** Labels of one component. */
const MAX_LABELS = 4;
/** Elements in what is looked through for a text, a key or a button that belongs to a field. */
const MAX_SMALL = 12;
/** What a sign that is no name comes to: the name of a secret. */
const SECRET = "password";
/** Rules for a new password speak of both. */
const CAPITALS =
  /upper.?case|capital|großbuchst|majuscule|mayúscul|maiuscol|maiúscul|hoofdletter|wielk|заглавн|прописн|大文字|大写/i;
const DIGITS = /digit|number|ziffer|zahl|chiffre|nombre|número|numero|cifr|cijfer|cyfr|цифр|数字/i;
/** An icon of a lock, by its class or by the ligature that draws it. */
const LOCK = /(?:^|[\s_-])(?:pad)?lock(?:$|[\s_-])|LockIcon/;
const LIGATURE = /^(?:lock(?:_\w+)?|vpn_key)$/;
const OF_ICON = ["class", "data-icon", "data-testid"];
/** Headings of what one proves by a code. */
const PROVES =
  /authenti|verify|verification|identi(?:ty|tät|té|dad)|(?:sign|log)[ -]?in|anmeld|unlock|entsperr|confirm it|two.?step/i;
/** What a page calls a key by which another field goes: `DB_PASSWORD`. */
const KEY_NAME = /^[a-z_][\w.-]{1,60}$/i;
const GROUP = "fieldset,[role=group],[role=radiogroup]";
/** What stands alone in these without a name of its own is named by them. */
const ROOM = "dialog,[role=dialog],[role=alertdialog],form";
const HEADING = "h1,h2,h3,h4,h5,h6,[role=heading]";
/** What stands before these is no label of a field in them. */
const APART = "form,fieldset,tr,table,section,article,main,dialog,body";
const FIELDS = "input,textarea,select";
/** What stands before these, or in them, is of something else. */
const STOPS = `${FIELDS},[role=columnheader]`;
const CELL = "td,th,[role=gridcell],[role=cell]";
const ROW = "tr,[role=row]";
const NUMBER = /^\d+$/;
const TABLE = "table,[role=table],[role=grid],[role=treegrid]";
/** So far from a field its label is looked for on the screen, in pixels: to the left of its middle, and above its beginning. */
const NEAR = [
  [-8, 0],
  [-40, 0],
  [8, -8],
  [8, -20],
] as const;

/** Gives the names of a field: its own and its labels'. */
export function namesOf(field: Element): string[] {
  const beside = describersOf(field).map(ownText);
  const rules = beside.some((text) => CAPITALS.test(text) && DIGITS.test(text)) ? [SECRET] : [];
  return told([
    ...attributesOf(field),
    ...labelTexts(field),
    ...beside.filter((text) => text.length <= MAX_BESIDE),
    ...rules,
  ]);
}

/** Gives what a field without a label has beside it, and the names of the groups and components that it stands in. */
export function namesAround(field: Element): string[] {
  const labels = labelTexts(field);
  const labelled = labels.some((label) => !saysNothing(label));
  const names = labelled ? [] : [...textsBeside(field), ...cellNames(field), keyOf(field)];
  const named = labelled || (attributeOf(field, "placeholder") ?? attributeOf(field, "title") ?? "") !== "";
  let at = parentOf(field);
  for (let step = 0; at !== null && step < MAX_AROUND; step += 1) {
    if (isComponent(at)) names.push(...attributesOf(at), ...labelsIn(at));
    else if (fits(at, GROUP)) names.push(attributeOf(at, "aria-label") ?? "", ...legendsOf(at));
    else if (!named && (fits(at, ROOM) || isHeaded(at))) {
      const titles = [attributeOf(at, "aria-label") ?? "", ...titlesOf(at)];
      names.push(...titles);
      // A "Code" or a "Number" that is asked for where one proves who one is.
      if (labels.some((label) => label !== "") && titles.some((title) => PROVES.test(title)))
        names.push(SECRET);
    }
    at = parentOf(at);
  }
  const button = buttonAfter(field);
  if (button !== null)
    names.push(...[...attributesOf(button), ownText(button)].filter((name) => SHOWS.test(name)));
  return told(names);
}

function buttonAfter(field: Element): Element | null {
  const after = field.nextElementSibling ?? parentOf(field)?.nextElementSibling;
  if (!after || !isSmall(after) || fits(after, FIELDS) || firstBelow(after, FIELDS) !== null) return null;
  return fits(after, BUTTON) ? after : firstBelow(after, BUTTON);
}

function told(names: readonly string[]): string[] {
  return names.filter((name) => name !== "").map((name) => name.slice(0, MAX_NAME));
}

/** Says whether a field has a label, as against words that stand somewhere near it. */
export function isLabelled(field: Element): boolean {
  return labelTexts(field).some((label) => label.trim() !== "");
}

function labelTexts(field: Element): string[] {
  const labels = [...referencesOf(field), ...labelsOf(field)].map(labelText);
  return [attributeOf(field, "aria-label") ?? "", ...labels];
}

/** Gives the text of a label, also of one that the page hides from screen readers, for it has another for them. */
function labelText(label: Element): string {
  return ownText(label) || hiddenText(label);
}

function hiddenText(element: Element): string {
  const hidden = attributeOf(element, "aria-hidden") === "true" && isSmall(element);
  return hidden ? (element.textContent ?? "").trim() : "";
}

function isSmall(element: Element): boolean {
  return !holdsMore(element, MAX_SMALL);
}

function legendsOf(group: Element): string[] {
  const legend = Array.from(group.children).find((child) => localNameOf(child) === "legend");
  return [...referencesOf(group), ...(legend ? [legend] : [])].map(ownText);
}

/** Says whether what stands in an element begins with a heading. */
function isHeaded(element: Element): boolean {
  const { firstElementChild } = element;
  return firstElementChild !== null && fits(firstElementChild, HEADING);
}

function titlesOf(room: Element): string[] {
  const heading = firstBelow(room, HEADING);
  return [...referencesOf(room), ...(heading ? [heading] : [])].map(ownText);
}

/** A component may write the label of its field in a tree of its own, or show there what was put into it as one. */
function labelsIn(component: Element): string[] {
  const labels = shadowOf(component)?.querySelectorAll("label,legend") ?? [];
  const texts = Array.from(labels).slice(0, MAX_LABELS).map(labelText);
  return texts.includes("") ? [...texts, labelIn(component)] : texts;
}

/** Gives what stands before a field; where nothing does, what is seen beside it and what stands after it. */
function textsBeside(field: Element): string[] {
  const before = textBefore(field);
  return before !== "" ? [before] : [textNear(field), textFrom(field.nextSibling, "nextSibling")];
}

/** Gives what stands before a field in its line, its cell or its row. */
function textBefore(field: Element): string {
  let at: Element | null = field;
  for (let step = 0; at !== null && step < MAX_STEPS; step += 1) {
    const before = textFrom(at.previousSibling, "previousSibling");
    if (before !== "") return before;
    at = parentOf(at);
    if (at === null || fits(at, APART) || !isOnlyField(at, field)) break;
    const around = (attributeOf(at, "title") ?? "") || drawnText(at);
    if (around !== "") return around;
  }
  return "";
}

/** Says whether nothing else can be entered in an element. */
function isOnlyField(around: Element, field: Element): boolean {
  // The first is found at once, where to count all may be to walk through a page.
  const first = around.querySelector(FIELDS);
  return (first === null || first === field) && around.querySelectorAll(FIELDS).length <= 1;
}

function textFrom(first: Node | null, way: "previousSibling" | "nextSibling"): string {
  let node = first;
  for (let seen = 0; node !== null && seen < MAX_SIBLINGS; seen += 1) {
    if (node instanceof Element && fits(node, STOPS)) return "";
    const text = node instanceof Element ? shownIn(node) : node instanceof Text ? node.data.trim() : "";
    if (!saysNothing(text)) return asLabel(text, node);
    node = node[way];
  }
  return "";
}

function shownIn(element: Element): string {
  const text = textOrPicture(element) || hiddenText(element);
  if (text !== "") return LIGATURE.test(text) ? SECRET : text;
  const icon = element.firstElementChild ?? element;
  return OF_ICON.some((name) => LOCK.test(attributeOf(icon, name) ?? "")) ? SECRET : "";
}

function isName({ type, value }: HTMLInputElement): boolean {
  return type === "text" && KEY_NAME.test(value);
}

/** Gives the key to which the value in a field belongs: where two stand in a row, it was entered before it. */
function keyOf(field: Element): string {
  let at: Element | null = field;
  for (let step = 0; at !== null && step < MAX_KEY_STEPS; step += 1) {
    const before: Element | null = at.previousElementSibling;
    if (before !== null && !isSmall(before)) return "";
    const key = before === null || fits(before, FIELDS) ? before : firstBelow(before, FIELDS);
    if (key !== null) return key instanceof HTMLInputElement && isName(key) ? key.value : "";
    at = parentOf(at);
  }
  return "";
}

/** Gives a text if it is short, and its element is no table and holds no field. */
function asLabel(text: string, node: Node): string {
  const isLabel =
    text.length <= MAX_BESIDE &&
    !(node instanceof Element && (fits(node, TABLE) || firstBelow(node, FIELDS) !== null));
  return isLabel ? text : "";
}

function labelIn(element: Element): string {
  return asLabel(textOrPicture(element), element);
}

/** Gives what is seen to the left of a field or above it, wherever it stands in the page. */
function textNear(field: Element): string {
  const root = field.getRootNode();
  if (!(root instanceof Document || root instanceof ShadowRoot)) return "";
  const { x, y, height } = field.getBoundingClientRect();
  for (const [right, down] of NEAR) {
    const found = elementAt(root, x + right, down === 0 ? y + height / 2 : y + down);
    const text = found === null || found.contains(field) ? "" : labelIn(found);
    if (!saysNothing(text)) return text;
  }
  return "";
}

function elementAt(root: Document | ShadowRoot, x: number, y: number): Element | null {
  const find = root === document ? own("elementFromPoint") : root.elementFromPoint;
  return find.call(root, x, y);
}

/** Gives what the cell is called in or over which a field stands, and the text at the head of its column. */
function cellNames(field: Element): string[] {
  const cell = field.closest(CELL) ?? cellBeneath(field);
  return cell === null ? [] : [...attributesOf(cell), headerOf(cell)];
}

/** Some tables have one field for all their cells, which they lay over that which is changed. */
function cellBeneath(field: Element): Element | null {
  const { x, y, width, height } = field.getBoundingClientRect();
  const found = own("elementsFromPoint").call(document, x + width / 2, y + height / 2);
  return found.find((element) => fits(element, CELL)) ?? null;
}

function headerOf(cell: Element): string {
  const table = cell.closest(TABLE);
  if (table === null) return "";
  const column = attributeOf(cell, "aria-colindex") ?? "";
  const numbered = NUMBER.test(column) && firstBelow(table, `[role=columnheader][aria-colindex="${column}"]`);
  if (numbered) return labelIn(numbered);
  const row = cell.closest(ROW);
  const first = table.querySelector(ROW);
  if (row === null || first === null || first === row) return "";
  const head = first.children[Array.from(row.children).indexOf(cell)];
  return head === undefined ? "" : labelIn(head);
}
