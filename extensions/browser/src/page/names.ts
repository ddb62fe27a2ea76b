/** Role and accessible name of an element, and where the name comes from. Values of fields are never names. */

import { getRole } from "dom-accessibility-api";
import type { NameSource } from "../shared/events.ts";
import { phrase } from "../shared/levels.ts";
import { knownRole, type Role } from "../shared/words.ts";
import { closestDeep } from "./deep.ts";
import { labelsOf, referencesOf } from "./labels.ts";
import { attributeOf, has, hasAny, isEditable, localNameOf } from "./own.ts";
import { isPrivate } from "./privates.ts";
import { FIELD } from "./telling.ts";
import { ownText } from "./text.ts";

export interface Named {
  name: string;
  name_from: NameSource;
}

const NAMELESS: Named = { name: "", name_from: "none" };
/** Roles that take their name from what stands in them (WAI-ARIA 1.2, 5.2.8.5). */
const FROM_CONTENT = new Set(
  (
    "button cell checkbox columnheader gridcell heading link menuitem menuitemcheckbox menuitemradio option radio " +
    "row rowheader switch tab tooltip treeitem alert status caption legend"
  ).split(" "),
);
/** Elements whose role depends on their attributes; that of any other is its tag's, if it has none of its own. */
const VARIED = new Set("a area link img input select".split(" "));
const byTag = new Map<string, Role>();
const LABELLED = new Set("input textarea select meter output progress".split(" "));
/** What is named by elements within or around it, without an attribute of its own. */
const NAMED_WITHIN = new Set([...LABELLED, "fieldset", "table", "figure", "option", "optgroup"]);
const BUTTONS = new Set("button submit reset image".split(" "));

/** Gives the ARIA role in use, empty if none. */
export function roleOf(element: Element): Role {
  if (has(element, "role")) return ariaRole(element);
  if (element instanceof HTMLElement && isEditable(element)) return "textbox";
  const localName = localNameOf(element);
  if (VARIED.has(localName)) return ariaRole(element);
  let role = byTag.get(localName);
  if (role === undefined) {
    role = ariaRole(element);
    byTag.set(localName, role);
  }
  return role;
}

function ariaRole(element: Element): Role {
  // The library asks the form itself, which may answer with its fields.
  if (element instanceof HTMLFormElement)
    return knownRole(attributeOf(element, "role")?.trim().split(/\s+/, 1)[0] || "form");
  return knownRole(getRole(element) ?? "");
}

/**
 * Gives the accessible name in the order of the accname rules, without anything private or entered. `textOf` reads what
 * stands in the element.
 */
export function nameOf(
  element: Element,
  role: string,
  textOf: (element: Element) => string = ownText,
): Named {
  const given = givenName(element, role);
  if (given !== "") return { name: given, name_from: "author" };
  const text = FROM_CONTENT.has(role) ? textOf(element) : "";
  return text === "" ? NAMELESS : { name: text, name_from: "content" };
}

/** The name that the page's author wrote, in the order of the accname rules. */
function givenName(element: Element, role: string): string {
  if (!hasAny(element) && !NAMED_WITHIN.has(localNameOf(element))) return "";
  const named = labelledBy(element) || (attributeOf(element, "aria-label") ?? "");
  if (named.trim() !== "") return phrase(named);
  const own = nativeName(element);
  if (own.trim() !== "") return phrase(own);
  const last = attributeOf(element, "title") ?? "";
  return FROM_CONTENT.has(role) && element.firstChild !== null ? "" : phrase(last);
}

function labelledBy(element: Element): string {
  return referencesOf(element)
    .map((other) => (isEntered(other) ? "" : (attributeOf(other, "aria-label") ?? ownText(other))))
    .join(" ");
}

/** Says whether an element is private, or a part of what was entered somewhere. */
function isEntered(element: Element): boolean {
  return isPrivate(element) || closestDeep(element, FIELD) !== null;
}

function nativeName(element: Element): string {
  if (element instanceof HTMLInputElement && BUTTONS.has(element.type)) {
    return element.type === "image" ? element.alt : element.value;
  }
  if (element instanceof HTMLImageElement || element instanceof HTMLAreaElement) return element.alt;
  if (element instanceof HTMLFieldSetElement) return childText(element, "LEGEND");
  if (element instanceof HTMLTableElement) return childText(element, "CAPTION");
  if (element.tagName === "FIGURE") return childText(element, "FIGCAPTION");
  if (element instanceof HTMLOptionElement || element instanceof HTMLOptGroupElement) return element.label;
  if (!LABELLED.has(localNameOf(element))) return "";
  const labels = labelsOf(element).filter((label) => !isEntered(label));
  const text = labels.map(ownText).join(" ");
  return text.trim() !== "" ? text : (attributeOf(element, "placeholder") ?? "");
}

function childText(element: Element, tag: string): string {
  const child = Array.from(element.children).find((each) => each.tagName === tag);
  return child === undefined ? "" : ownText(child);
}
