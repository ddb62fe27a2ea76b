/** The words that describe elements: closed sets, as the gate has them; a page may write anything in their place. */

import type { Element, OutlineNode } from "./events.ts";

export type Role = NonNullable<Element["role"]>;
export type State = NonNullable<OutlineNode["states"]>[number];

/** The roles of WAI-ARIA 1.3 and its graphics module. */
export const ROLES: ReadonlySet<string> = new Set(
  (
    "alert alertdialog application article banner blockquote button caption cell checkbox code columnheader " +
    "combobox comment complementary contentinfo definition deletion dialog directory document emphasis feed " +
    "figure form graphics-document graphics-object graphics-symbol grid gridcell group heading image img " +
    "insertion legend link list listbox listitem log main mark marquee math menu menubar menuitem " +
    "menuitemcheckbox menuitemradio meter navigation note option paragraph progressbar radio radiogroup region " +
    "row rowgroup rowheader scrollbar search searchbox sectionfooter sectionheader separator slider spinbutton " +
    "status strong subscript suggestion superscript switch tab table tablist tabpanel term textbox time timer " +
    "toolbar tooltip tree treegrid treeitem"
  ).split(" "),
);
/** Tag names that a structural path may hold. */
export const TAGS: ReadonlySet<string> = new Set(
  (
    "a abbr address area article aside audio b bdi bdo blockquote br button canvas caption cite code col colgroup " +
    "data datalist dd del details dfn dialog div dl dt em embed fieldset figcaption figure footer form h1 h2 h3 h4 " +
    "h5 h6 header hgroup hr i iframe img input ins kbd label legend li main map mark menu meter nav object ol " +
    "optgroup option output p picture pre progress q rp rt ruby s samp search section select slot small span strong " +
    "sub summary sup svg table tbody td textarea tfoot th thead time tr u ul var video wbr body html"
  ).split(" "),
);

/** Gives a role if there is such a one; what else stands in the attribute is the page's own text. */
export function knownRole(role: string): Role {
  return ROLES.has(role) ? (role as Role) : "";
}

/** Gives a tag name that says nothing: an element of the page's own making bears any name. */
export function knownTag(tag: string): string {
  return TAGS.has(tag) ? tag : "x-element";
}
