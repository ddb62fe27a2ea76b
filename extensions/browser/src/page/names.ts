/** Role and accessible name of an element, and where the name comes from. Values of fields are never names. */

import { computeAccessibleName, getRole } from "dom-accessibility-api";
import type { NameSource } from "../shared/events.ts";
import { phrase } from "../shared/levels.ts";
import { labelsOf, referencesOf } from "./labels.ts";
import { holdsPrivate, isPrivate } from "./privates.ts";
import { FIELD } from "./secrets.ts";
import { ownText } from "./text.ts";

export interface Named {
  name: string;
  name_from: NameSource;
}

const NAMELESS: Named = { name: "", name_from: "none" };
/** An element with more below it is a region: its name is read from attributes and its first words. */
const MAX_DESCENDANTS = 60;
/** Roles that take their name from what stands in them (WAI-ARIA 1.2, 5.2.8.5). */
const FROM_CONTENT = new Set(
  (
    "button cell checkbox columnheader gridcell heading link menuitem menuitemcheckbox menuitemradio option radio " +
    "row rowheader sectionhead switch tab tooltip treeitem alert status caption legend"
  ).split(" "),
);
const LABELLED = /^(?:INPUT|TEXTAREA|SELECT|METER|OUTPUT|PROGRESS)$/;
const BUTTONS = /^(?:button|submit|reset|image)$/i;

/** Gives the ARIA role in use, empty if none. */
export function roleOf(element: Element): string {
  if (element instanceof HTMLElement && element.isContentEditable && !element.hasAttribute("role"))
    return "textbox";
  const role = getRole(element) ?? "";
  return /^[a-z-]{1,32}$/.test(role) && role !== "generic" && role !== "presentation" ? role : "";
}

/** Gives the accessible name after the accname rules, without anything private or entered. */
export function nameOf(element: Element, role: string): Named {
  const given = givenName(element);
  if (given !== "") return { name: given, name_from: "author" };
  if (!FROM_CONTENT.has(role)) return NAMELESS;
  const text = isSimple(element) ? computed(element) : ownText(element);
  return text === "" ? NAMELESS : { name: text, name_from: "content" };
}

/** As `nameOf`, at a twentieth of the cost, for outlines of many elements. */
export function quickNameOf(element: Element, role: string): Named {
  const given = givenName(element);
  if (given !== "") return { name: given, name_from: "author" };
  const text = FROM_CONTENT.has(role) ? ownText(element) : "";
  return text === "" ? NAMELESS : { name: text, name_from: "content" };
}

function computed(element: Element): string {
  return phrase(computeAccessibleName(element, { computedStyleSupportsPseudoElements: false }));
}

/** The library reads values of fields inside, and knows no private regions: it sees only elements without either. */
function isSimple(element: Element): boolean {
  const below = element.getElementsByTagName("*");
  return below.length <= MAX_DESCENDANTS && element.querySelector(FIELD) === null && !holdsPrivate(element);
}

/** The name that the page's author wrote, in the order of the accname rules. */
function givenName(element: Element): string {
  const named = labelledBy(element) || (element.getAttribute("aria-label") ?? "");
  if (named.trim() !== "") return phrase(named);
  const own = nativeName(element);
  if (own.trim() !== "") return phrase(own);
  const last = element.getAttribute("title") ?? "";
  return FROM_CONTENT.has(roleOf(element)) && element.childNodes.length > 0 ? "" : phrase(last);
}

function labelledBy(element: Element): string {
  return referencesOf(element)
    .map((other) => (isPrivate(other) ? "" : (other.getAttribute("aria-label") ?? ownText(other))))
    .join(" ");
}

function nativeName(element: Element): string {
  if (element instanceof HTMLInputElement && BUTTONS.test(element.type)) {
    return element.type === "image" ? element.alt : element.value;
  }
  if (element instanceof HTMLImageElement || element instanceof HTMLAreaElement) return element.alt;
  if (element instanceof HTMLFieldSetElement) return childText(element, "LEGEND");
  if (element instanceof HTMLTableElement) return childText(element, "CAPTION");
  if (element.tagName === "FIGURE") return childText(element, "FIGCAPTION");
  if (element instanceof HTMLOptionElement || element instanceof HTMLOptGroupElement) return element.label;
  if (!LABELLED.test(element.tagName)) return "";
  const labels = labelsOf(element).filter((label) => !isPrivate(label));
  const text = labels.map(ownText).join(" ");
  return text.trim() !== "" ? text : (element.getAttribute("placeholder") ?? "");
}

function childText(element: Element, tag: string): string {
  const child = Array.from(element.children).find((each) => each.tagName === tag);
  return child === undefined ? "" : ownText(child);
}
