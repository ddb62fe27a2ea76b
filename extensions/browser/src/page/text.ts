/** The text of an element as a reader sees it, cut short: never what stands in fields, scripts or private regions. */

import { phrase } from "../shared/levels.ts";
import { isMarkedPrivate } from "./privates.ts";
import { isShown } from "./visible.ts";

/** Elements whose text is a value, a program or an alternative, not something that is shown. */
const PASSED_OVER =
  /^(?:SCRIPT|STYLE|TEMPLATE|NOSCRIPT|TEXTAREA|SELECT|OPTION|DATALIST|INPUT|IFRAME|OBJECT|CANVAS|svg)$/i;
/** Nodes that are looked at for one text. */
const MAX_VISITED = 200;
/** Characters gathered before they are cut to a phrase. */
const MAX_GATHERED = 400;

function judge(node: Node): number {
  if (!(node instanceof Element)) return NodeFilter.FILTER_ACCEPT;
  const out =
    PASSED_OVER.test(node.tagName) ||
    node.getAttribute("aria-hidden") === "true" ||
    node.hasAttribute("contenteditable") ||
    isMarkedPrivate(node) ||
    !isShown(node);
  return out ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_SKIP;
}

/** Gives the text shown in an element, at most 120 code points. */
export function ownText(element: Element): string {
  if (judge(element) === NodeFilter.FILTER_REJECT) return "";
  if (element.childElementCount === 0) return phrase(element.textContent ?? "");
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT, judge);
  let text = "";
  for (let visited = 0; visited < MAX_VISITED && text.length < MAX_GATHERED; visited += 1) {
    const node = walker.nextNode();
    if (node === null) break;
    text += ` ${node.nodeValue ?? ""}`;
  }
  return phrase(text);
}
