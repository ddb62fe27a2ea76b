// Made from docs/schema/event.schema.json by `npm run events`. Not for editing.

/**
 * The detail that a study asks for, and that a person may lower.
 *
 * ``RHYTHM`` keeps that and when; ``SHAPE`` keeps text with its characters replaced by their class,
 * lengths kept; ``CONTENT`` keeps the text, after secrets and personal data were masked.
 */
export type Level = "content" | "rhythm" | "shape";
/**
 * Who or what made an edit.
 */
export type Origin =
  "agent" | "completion" | "external" | "formatter" | "pasted" | "redo" | "typed" | "undo" | "unknown";
/**
 * What moved the selection.
 */
export type SelectionCause = "command" | "keyboard" | "mouse" | "unknown";
/**
 * Why events are missing.
 */
export type GapReason =
  | "crashed"
  | "document-binary"
  | "document-too-large"
  | "document-unopened"
  | "filter-failed"
  | "forgotten"
  | "message-malformed"
  | "message-too-large"
  | "position-invalid"
  | "queue-full"
  | "store-unwritable";
/**
 * What changed a page's address without loading another.
 */
export type NavigateCause = "fragment" | "push" | "reload" | "replace" | "traverse" | "unknown";
/**
 * Where an accessible name comes from: given by the page's author, or taken from what the page shows.
 */
export type NameSource = "author" | "content" | "none";
/**
 * The class of what a field holds.
 */
export type FieldContent =
  | "choice"
  | "date"
  | "digits"
  | "email"
  | "empty"
  | "file"
  | "other"
  | "phone"
  | "text"
  | "toggle"
  | "url"
  | "words";
/**
 * How long a field's value is, roughly; in code points.
 */
export type LengthBucket = "0" | "1-4" | "17-64" | "257+" | "5-16" | "65-256";
/**
 * What was done with the clipboard.
 */
export type ClipboardAction = "copy" | "cut" | "paste";

/**
 * One thing that happened, in one session.
 *
 * ``index`` counts the session's events from 0, without gaps. ``wall_ms`` is Unix time; ``delta_ms`` is the
 * monotonic time since the event before it in the session, never negative. ``level`` is what was kept.
 */
export interface OvertEvent {
  index: number;
  wall_ms: number;
  delta_ms: number;
  level: Level;
  body:
    | DocumentOpen
    | DocumentEdit
    | DocumentSave
    | DocumentClose
    | SelectionChange
    | ViewportChange
    | EditorFocus
    | CommandRun
    | CompletionAccept
    | CaptureStart
    | CapturePause
    | CaptureResume
    | CaptureGap
    | CaptureCursor
    | PageOpen
    | PageNavigate
    | PageClose
    | TabActivate
    | PageFocus
    | PointerTrail
    | PointerClick
    | Scroll
    | FieldChange
    | KeyRhythm
    | FormSubmit
    | Clipboard
    | PageOutline;
}
/**
 * A document came into view of the collector, with its text.
 *
 * ``continues`` names an earlier document of the session whose last text is this one's first (a rename);
 * ``text`` is then empty, so that the same content is kept once. ``workspace`` is a keyed tag, not a name.
 */
export interface DocumentOpen {
  kind: "document.open";
  document: number;
  path: string;
  workspace: string;
  language: string;
  text: string;
  continues?: number | null;
}
/**
 * At ``position``, ``deleted`` code points were taken out and ``inserted`` put in their place.
 *
 * ``joined`` is true when the edit belongs to the same transaction as the one before it (several cursors).
 */
export interface DocumentEdit {
  kind: "document.edit";
  document: number;
  position: number;
  deleted: number;
  inserted: string;
  origin?: Origin;
  confidence?: number;
  joined?: boolean;
}
/**
 * A document was written to disk.
 */
export interface DocumentSave {
  kind: "document.save";
  document: number;
}
/**
 * A document went out of view of the collector.
 */
export interface DocumentClose {
  kind: "document.close";
  document: number;
}
/**
 * The caret or selection moved; ``anchor`` and ``active`` are of the first of ``count`` selections.
 */
export interface SelectionChange {
  kind: "selection.change";
  document: number;
  anchor: number;
  active: number;
  count?: number;
  cause?: SelectionCause;
}
/**
 * Other lines came into view; both ends are line numbers from 0, the last one included.
 */
export interface ViewportChange {
  kind: "viewport.change";
  document: number;
  first_line: number;
  last_line: number;
}
/**
 * The editor's window gained or lost the focus.
 */
export interface EditorFocus {
  kind: "editor.focus";
  focused: boolean;
}
/**
 * An editor command was run; the name only, never its arguments.
 */
export interface CommandRun {
  kind: "command.run";
  command: string;
}
/**
 * A completion of ``length`` code points was accepted; its text is in the edit that follows.
 */
export interface CompletionAccept {
  kind: "completion.accept";
  document: number;
  length: number;
}
/**
 * A collector began; what it is and which position encoding it speaks.
 */
export interface CaptureStart {
  kind: "capture.start";
  client: string;
  client_version: string;
  collector_version: string;
  position_encoding: string;
}
/**
 * The person paused capture.
 */
export interface CapturePause {
  kind: "capture.pause";
}
/**
 * The person resumed capture.
 */
export interface CaptureResume {
  kind: "capture.resume";
}
/**
 * ``count`` events are missing here, and why; with a document when it breaks that document's replay.
 */
export interface CaptureGap {
  kind: "capture.gap";
  count: number;
  reason: GapReason;
  document?: number | null;
}
/**
 * What comes before this was taken from a browser profile up to its message ``seq``: so that none is taken twice.
 *
 * ``client`` is a keyed tag of the profile, another one for each study.
 */
export interface CaptureCursor {
  kind: "capture.cursor";
  client: string;
  seq: number;
}
/**
 * A page, or a frame of the page ``parent``, came into view of the collector.
 */
export interface PageOpen {
  kind: "page.open";
  document: number;
  tab: number;
  route: string;
  title: string;
  width?: number;
  height?: number;
  parent?: number | null;
}
/**
 * A page changed its address without being loaded anew.
 */
export interface PageNavigate {
  kind: "page.navigate";
  document: number;
  route: string;
  title: string;
  cause?: NavigateCause;
}
/**
 * A page went out of view of the collector.
 */
export interface PageClose {
  kind: "page.close";
  document: number;
}
/**
 * A page's tab came to the front.
 */
export interface TabActivate {
  kind: "tab.activate";
  document: number;
}
/**
 * A page gained or lost the focus, or was covered.
 */
export interface PageFocus {
  kind: "page.focus";
  document: number;
  focused: boolean;
  visible: boolean;
}
/**
 * The pointer's way: milliseconds since the point before it, x, y; the first point's time is 0.
 */
export interface PointerTrail {
  kind: "pointer.trail";
  document: number;
  points: [number, number, number][];
}
/**
 * An element was clicked, ``x`` and ``y`` from its box's corner.
 *
 * ``modifiers`` adds 1 for alt, 2 for control, 4 for meta, 8 for shift.
 */
export interface PointerClick {
  kind: "pointer.click";
  document: number;
  element: Element;
  x: number;
  y: number;
  button?: number;
  count?: number;
  modifiers?: number;
}
/**
 * What was acted on.
 *
 * ``role`` is the ARIA role, ``context`` names the row, dialog, form, landmark or heading that the element stands in.
 * ``path`` is made of tag names with their place among equals; ``box`` is x, y, width, height in the viewport.
 */
export interface Element {
  role?:
    | ""
    | "alert"
    | "alertdialog"
    | "application"
    | "article"
    | "banner"
    | "blockquote"
    | "button"
    | "caption"
    | "cell"
    | "checkbox"
    | "code"
    | "columnheader"
    | "combobox"
    | "comment"
    | "complementary"
    | "contentinfo"
    | "definition"
    | "deletion"
    | "dialog"
    | "directory"
    | "document"
    | "emphasis"
    | "feed"
    | "figure"
    | "form"
    | "graphics-document"
    | "graphics-object"
    | "graphics-symbol"
    | "grid"
    | "gridcell"
    | "group"
    | "heading"
    | "image"
    | "img"
    | "insertion"
    | "legend"
    | "link"
    | "list"
    | "listbox"
    | "listitem"
    | "log"
    | "main"
    | "mark"
    | "marquee"
    | "math"
    | "menu"
    | "menubar"
    | "menuitem"
    | "menuitemcheckbox"
    | "menuitemradio"
    | "meter"
    | "navigation"
    | "note"
    | "option"
    | "paragraph"
    | "progressbar"
    | "radio"
    | "radiogroup"
    | "region"
    | "row"
    | "rowgroup"
    | "rowheader"
    | "scrollbar"
    | "search"
    | "searchbox"
    | "sectionfooter"
    | "sectionheader"
    | "separator"
    | "slider"
    | "spinbutton"
    | "status"
    | "strong"
    | "subscript"
    | "suggestion"
    | "superscript"
    | "switch"
    | "tab"
    | "table"
    | "tablist"
    | "tabpanel"
    | "term"
    | "textbox"
    | "time"
    | "timer"
    | "toolbar"
    | "tooltip"
    | "tree"
    | "treegrid"
    | "treeitem";
  name?: string;
  name_from?: NameSource;
  context?: string;
  context_role?:
    | ""
    | "alert"
    | "alertdialog"
    | "application"
    | "article"
    | "banner"
    | "blockquote"
    | "button"
    | "caption"
    | "cell"
    | "checkbox"
    | "code"
    | "columnheader"
    | "combobox"
    | "comment"
    | "complementary"
    | "contentinfo"
    | "definition"
    | "deletion"
    | "dialog"
    | "directory"
    | "document"
    | "emphasis"
    | "feed"
    | "figure"
    | "form"
    | "graphics-document"
    | "graphics-object"
    | "graphics-symbol"
    | "grid"
    | "gridcell"
    | "group"
    | "heading"
    | "image"
    | "img"
    | "insertion"
    | "legend"
    | "link"
    | "list"
    | "listbox"
    | "listitem"
    | "log"
    | "main"
    | "mark"
    | "marquee"
    | "math"
    | "menu"
    | "menubar"
    | "menuitem"
    | "menuitemcheckbox"
    | "menuitemradio"
    | "meter"
    | "navigation"
    | "note"
    | "option"
    | "paragraph"
    | "progressbar"
    | "radio"
    | "radiogroup"
    | "region"
    | "row"
    | "rowgroup"
    | "rowheader"
    | "scrollbar"
    | "search"
    | "searchbox"
    | "sectionfooter"
    | "sectionheader"
    | "separator"
    | "slider"
    | "spinbutton"
    | "status"
    | "strong"
    | "subscript"
    | "suggestion"
    | "superscript"
    | "switch"
    | "tab"
    | "table"
    | "tablist"
    | "tabpanel"
    | "term"
    | "textbox"
    | "time"
    | "timer"
    | "toolbar"
    | "tooltip"
    | "tree"
    | "treegrid"
    | "treeitem";
  path?: string;
  /**
   * @minItems 4
   * @maxItems 4
   */
  box?: [number, number, number, number];
}
/**
 * The page, or an element in it, was scrolled to a place.
 */
export interface Scroll {
  kind: "scroll";
  document: number;
  x: number;
  y: number;
  element?: Element | null;
}
/**
 * A form field was changed: the class and rough length of what it holds; ``value`` at level content only.
 *
 * ``form`` numbers the forms of a page from 1; 0 is none.
 */
export interface FieldChange {
  kind: "field.change";
  document: number;
  element: Element;
  content: FieldContent;
  length: LengthBucket;
  value?: string;
  checked?: boolean | null;
  form?: number;
}
/**
 * Keys were pressed in a field: when, and of which class, never which.
 *
 * ``keys`` has a letter a key: c character, d delete, n navigation, e enter, t tab, m with a modifier, o other.
 * ``intervals`` are the milliseconds between them, the first one 0.
 */
export interface KeyRhythm {
  kind: "key.rhythm";
  document: number;
  element: Element;
  keys: string;
  intervals: number[];
}
/**
 * A form was sent.
 */
export interface FormSubmit {
  kind: "form.submit";
  document: number;
  element: Element;
  form?: number;
}
/**
 * The clipboard was used: that, never what.
 */
export interface Clipboard {
  kind: "clipboard";
  document: number;
  action: ClipboardAction;
  element?: Element | null;
}
/**
 * What stood around an action: the accessibility outline, in reading order.
 */
export interface PageOutline {
  kind: "page.outline";
  document: number;
  nodes: OutlineNode[];
}
/**
 * One line of an outline; ``depth`` counts from 0.
 */
export interface OutlineNode {
  depth: number;
  role?:
    | ""
    | "alert"
    | "alertdialog"
    | "application"
    | "article"
    | "banner"
    | "blockquote"
    | "button"
    | "caption"
    | "cell"
    | "checkbox"
    | "code"
    | "columnheader"
    | "combobox"
    | "comment"
    | "complementary"
    | "contentinfo"
    | "definition"
    | "deletion"
    | "dialog"
    | "directory"
    | "document"
    | "emphasis"
    | "feed"
    | "figure"
    | "form"
    | "graphics-document"
    | "graphics-object"
    | "graphics-symbol"
    | "grid"
    | "gridcell"
    | "group"
    | "heading"
    | "image"
    | "img"
    | "insertion"
    | "legend"
    | "link"
    | "list"
    | "listbox"
    | "listitem"
    | "log"
    | "main"
    | "mark"
    | "marquee"
    | "math"
    | "menu"
    | "menubar"
    | "menuitem"
    | "menuitemcheckbox"
    | "menuitemradio"
    | "meter"
    | "navigation"
    | "note"
    | "option"
    | "paragraph"
    | "progressbar"
    | "radio"
    | "radiogroup"
    | "region"
    | "row"
    | "rowgroup"
    | "rowheader"
    | "scrollbar"
    | "search"
    | "searchbox"
    | "sectionfooter"
    | "sectionheader"
    | "separator"
    | "slider"
    | "spinbutton"
    | "status"
    | "strong"
    | "subscript"
    | "suggestion"
    | "superscript"
    | "switch"
    | "tab"
    | "table"
    | "tablist"
    | "tabpanel"
    | "term"
    | "textbox"
    | "time"
    | "timer"
    | "toolbar"
    | "tooltip"
    | "tree"
    | "treegrid"
    | "treeitem";
  name?: string;
  name_from?: NameSource;
  states?: (
    | "checked"
    | "collapsed"
    | "current"
    | "disabled"
    | "expanded"
    | "focused"
    | "invalid"
    | "pressed"
    | "readonly"
    | "required"
    | "selected"
  )[];
}
