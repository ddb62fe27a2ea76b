/** All that a page says of what a field is for: in attributes, in labels, and in what stands beside and around it. */

import { parentOf, shadowOf } from "./deep.ts";
import { describersOf, labelsOf, referencesOf } from "./labels.ts";
import { attributeOf, firstBelow, fits, localNameOf, own } from "./own.ts";
import { attributesOf, isComponent } from "./telling.ts";
import { drawnText, ownText, textOrPicture } from "./text.ts";

const MAX_NAME = 200;
/** What stands beside a field and is longer than this is no label but a sentence, in characters. */
const MAX_BESIDE = 40;
/** A cell in a row in a wrapper: from a field its label is so many steps up at most. */
const MAX_STEPS = 5;
/** Siblings without a text that lie between a field and its label. */
const MAX_SIBLINGS = 20;
/** Groups and components are looked for so many steps up. */
const MAX_AROUND = 6;
/** Labels of one component. */
const MAX_LABELS = 4;
const GROUP = "fieldset,[role=group],[role=radiogroup]";
/** What stands alone in these without a name of its own is named by them. */
const ROOM = "dialog,[role=dialog],[role=alertdialog],form";
const HEADING = "h1,h2,h3,h4,h5,h6,[role=heading]";
/** What stands before these is no label of a field in them. */
const APART = "form,fieldset,tr,table,section,article,main,dialog,body";
const FIELDS = "input,textarea,select";
const CELL = "td,th,[role=gridcell],[role=cell]";
const ROW = "tr,[role=row]";
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
  const labels = [...referencesOf(field), ...labelsOf(field)].map(ownText);
  const beside = describersOf(field).map(ownText);
  return told([...attributesOf(field), ...labels, ...beside.filter((text) => text.length <= MAX_BESIDE)]);
}

/** Gives what a field without a label has beside it, and the names of the groups and components that it stands in. */
export function namesAround(field: Element): string[] {
  const labelled = isLabelled(field);
  const names = labelled ? [] : [...textsBeside(field), headerOf(field)];
  const named = labelled || (attributeOf(field, "placeholder") ?? attributeOf(field, "title") ?? "") !== "";
  let at = parentOf(field);
  for (let step = 0; at !== null && step < MAX_AROUND; step += 1) {
    if (isComponent(at)) names.push(...attributesOf(at), ...labelsIn(at));
    else if (fits(at, GROUP)) names.push(attributeOf(at, "aria-label") ?? "", ...legendsOf(at));
    else if (!named && fits(at, ROOM)) names.push(attributeOf(at, "aria-label") ?? "", ...titlesOf(at));
    at = parentOf(at);
  }
  return told(names);
}

function told(names: readonly string[]): string[] {
  return names.filter((name) => name !== "").map((name) => name.slice(0, MAX_NAME));
}

/** Says whether a field has a label, as against words that stand somewhere near it. */
export function isLabelled(field: Element): boolean {
  const labels = [...referencesOf(field), ...labelsOf(field)].map(ownText);
  return [attributeOf(field, "aria-label") ?? "", ...labels].some((label) => label.trim() !== "");
}

function legendsOf(group: Element): string[] {
  const legend = Array.from(group.children).find((child) => localNameOf(child) === "legend");
  return [...referencesOf(group), ...(legend ? [legend] : [])].map(ownText);
}

function titlesOf(room: Element): string[] {
  const heading = firstBelow(room, HEADING);
  return [...referencesOf(room), ...(heading ? [heading] : [])].map(ownText);
}

/** A component may write the label of the field that was put into it in a tree of its own. */
function labelsIn(component: Element): string[] {
  const labels = shadowOf(component)?.querySelectorAll("label,legend") ?? [];
  return Array.from(labels).slice(0, MAX_LABELS).map(ownText);
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
    if (node instanceof Element && fits(node, FIELDS)) return "";
    const text = node instanceof Element ? textOrPicture(node) : node instanceof Text ? node.data.trim() : "";
    if (text !== "") return asLabel(text, node);
    node = node[way];
  }
  return "";
}

/** Gives a text if it is short, and its element holds no field. */
function asLabel(text: string, node: Node): string {
  const isLabel =
    text.length <= MAX_BESIDE && !(node instanceof Element && firstBelow(node, FIELDS) !== null);
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
    if (text !== "") return text;
  }
  return "";
}

function elementAt(root: Document | ShadowRoot, x: number, y: number): Element | null {
  const find = root === document ? own("elementFromPoint") : root.elementFromPoint;
  return find.call(root, x, y);
}

/** Gives the text at the head of the column in which a field stands. */
function headerOf(field: Element): string {
  const cell = field.closest(CELL);
  const row = cell?.closest(ROW);
  const first = cell?.closest(TABLE)?.querySelector(ROW);
  if (!cell || !row || !first || first === row) return "";
  const head = first.children[Array.from(row.children).indexOf(cell)];
  return head === undefined ? "" : labelIn(head);
}
