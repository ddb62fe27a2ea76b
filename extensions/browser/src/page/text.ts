/** The text of an element as a reader sees it, cut short: never what stands in fields, scripts or private regions. */

import { phrase } from "../shared/levels.ts";
import { attributeOf, has, hasAny, localNameOf } from "./own.ts";
import { isMarkedPrivate } from "./privates.ts";
import { mayShowSecret } from "./telling.ts";
import { isShown } from "./visible.ts";

/** Elements whose text is a value, a program or an alternative, not something that is shown. */
const PASSED_OVER = new Set(
  "script style template noscript textarea select option datalist input iframe object canvas".split(" "),
);
/** Roles of what is typed into, of whatever make. */
const TYPED_INTO = new Set("textbox searchbox combobox spinbutton".split(" "));
/** Elements that stand within a word. */
const INLINE = new Set(
  "a abbr b bdi bdo cite code em font i kbd mark q s small span strong sub sup u wbr".split(" "),
);
/** Nodes that are looked at for one text. */
const MAX_VISITED = 200;
/** Characters gathered before they are cut to a phrase. */
const MAX_GATHERED = 400;

/** Gives the text shown in an element, at most 120 code points: words, and what the author wrote in place of pictures. */
export function ownText(element: Element): string {
  return isShown(element) ? textOfShown(element) : "";
}

/** As `ownText`, also of what is a picture itself, or is only drawn by the page's style. */
export function textOrPicture(element: Element): string {
  if (!isShown(element)) return "";
  return phrase(insteadOf(element) ?? "") || textOfShown(element) || drawnText(element);
}

/** Gives what the page's style writes before and after an element's content: texts, and its attributes. */
export function drawnText(element: Element): string {
  const written = ["::before", "::after"].map((part) => writtenBy(getComputedStyle(element, part), element));
  return phrase(written.join(" "));
}

function writtenBy({ content }: CSSStyleDeclaration, element: Element): string {
  // Chromium gives the text of the attribute, Firefox names it.
  const attribute = /^attr\(([\w-]+)\)$/.exec(content)?.[1];
  if (attribute !== undefined) return attributeOf(element, attribute) ?? "";
  return content.startsWith('"') ? content.slice(1, -1) : "";
}

/** As `ownText`, of an element that is known to be shown: to ask the browser costs more than to read. */
export function textOfShown(element: Element): string {
  if (isPassedOver(element)) return "";
  const { firstChild } = element;
  // Most have one text; to ask for that of all is to read a million where a page has them.
  if (firstChild === element.lastChild && !(firstChild instanceof Element)) {
    return firstChild instanceof Text ? phrase(firstChild.data) : "";
  }
  return phrase(new Gathering().below(element).text);
}

class Gathering {
  text = "";
  #visited = 0;

  below(element: Element): this {
    for (let node = element.firstChild; node !== null; node = node.nextSibling) {
      this.#visited += 1;
      if (this.#visited > MAX_VISITED || this.text.length > MAX_GATHERED) break;
      if (node instanceof Text) this.text += node.data.slice(0, MAX_GATHERED);
      else if (node instanceof Element) this.#add(node);
    }
    return this;
  }

  #add(element: Element): void {
    if (isPassedOver(element) || !isShown(element)) return;
    const apart = INLINE.has(localNameOf(element)) ? "" : " ";
    this.text += apart;
    const instead = insteadOf(element);
    if (instead === null) this.below(element);
    else this.text += instead.slice(0, MAX_GATHERED);
    this.text += apart;
  }
}

/** What the author wrote in the place of an element's content; null where the content itself is read. */
function insteadOf(element: Element): string | null {
  const label = attributeOf(element, "aria-label");
  if (label !== null && label.trim() !== "") return label;
  if (element instanceof HTMLImageElement) return element.alt;
  if (!(element instanceof SVGElement)) return null;
  const title = element.firstElementChild;
  return title instanceof SVGTitleElement ? (title.textContent ?? "") : "";
}

function isPassedOver(element: Element): boolean {
  return (
    PASSED_OVER.has(localNameOf(element)) ||
    (hasAny(element) &&
      (attributeOf(element, "aria-hidden") === "true" ||
        has(element, "contenteditable") ||
        TYPED_INTO.has(attributeOf(element, "role") ?? "") ||
        isMarkedPrivate(element))) ||
    mayShowSecret(element)
  );
}
