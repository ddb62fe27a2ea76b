// Who made an edit: told from what the editor says around it. docs/ORIGINS.md explains each rule and has its accuracy.
//
// VS Code names the maker of an undo and of a redo only. But the selection that follows a change names what moved it:
// typing, pasting and cutting come with "keyboard", and commands, completions, formatters and other programs with
// nothing. That, the caret before and after, and what was replaced by what, tell the rest.

import type { Change, Place, Span } from "./lines";

export type Origin =
  | "typed"
  | "pasted"
  | "completion"
  | "agent"
  | "formatter"
  | "undo"
  | "redo"
  | "external"
  | "unknown";

/** What moved the caret after the change; "none" when the caret did not move. */
export type Mover = "keyboard" | "mouse" | "command" | "program" | "none";

/** A change, and what it took out. */
export interface Replacement extends Change {
  readonly deleted: string;
}

export interface Observed {
  readonly changes: readonly Replacement[];
  readonly reason: "undo" | "redo" | undefined;
  /** Whether the document differs from its file after the change. */
  readonly dirty: boolean;
  /** Whether the document is being saved at this moment. */
  readonly saving: boolean;
  /** Whether the document's editor is the one with the focus. */
  readonly active: boolean;
  readonly mover: Mover;
  /** The selections before the change. */
  readonly before: readonly Span[];
  /** The first selection after it, where it moved. */
  readonly after: Span | undefined;
  /** The text of a line before the change. */
  readonly lineBefore: (line: number) => string;
}

export interface Verdict {
  readonly origin: Origin;
  /** How often the rule is right, in percent: measured where it could be, else judged. */
  readonly confidence: number;
}

type Rule = readonly [name: string, origin: Origin, confidence: number, holds: (seen: Observed) => boolean];

const PAIRS = new Set(["()", "[]", "{}", '""', "''", "``", "<>", "$$", "**", "__"]);
const LINE_BREAK = /^\r?\n[ \t]*(?:(?:\/\/[\/!]?|\*|#|--|;;?) ?)?(?:\r?\n[ \t]*(?:\*\/)?)?$/;
const BLANK = /^[ \t]+$/;
const SHORT_MARK = /^[^\p{L}\p{N}\r\n]{1,5}$/u;
const COMPOSED = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}ー・、。]+$/u;
/** A composition's longest commit that is still taken for typing, in UTF-16 units. */
const MAX_COMPOSED = 12;

/** The rules, in order: the first that holds decides. */
export const RULES: readonly Rule[] = [
  ["undo", "undo", 100, (seen) => seen.reason === "undo"],
  ["redo", "redo", 100, (seen) => seen.reason === "redo"],
  ["reloaded", "external", 97, (seen) => !seen.dirty && !byKey(seen)],
  ["while saving", "formatter", 95, (seen) => seen.saving],
  ["in another document", "agent", 80, (seen) => !seen.active],

  ["key stroke", "typed", 99, (seen) => byKey(seen) && seen.changes.every(isStroke)],
  ["deleted by key", "typed", 97, (seen) => byKey(seen) && seen.changes.every((each) => each.text === "")],
  ["composed", "typed", 75, (seen) => byKey(seen) && seen.changes.every(isComposed)],
  ["put in by key", "pasted", 96, byKey],
  ["dropped by mouse", "pasted", 60, (seen) => seen.mover === "mouse"],

  ["new line", "typed", 97, (seen) => seen.changes.every((each) => LINE_BREAK.test(each.text) && atCaret(each, seen))],
  ["deleted at the caret", "typed", 95, (seen) => seen.changes.every((each) => each.text === "" && atCaret(each, seen))],
  ["stroke at the caret", "typed", 85, (seen) => seen.changes.every((each) => isStroke(each) && isInsertAt(each, seen))],
  ["tabulator", "typed", 90, (seen) => seen.changes.every((each) => BLANK.test(each.text) && isInsertAt(each, seen))],
  ["indented lines", "typed", 85, (seen) => seen.changes.every((each) => isIndent(each, seen))],
  ["marked lines", "typed", 80, (seen) => isMarking(seen)],
  ["moved or copied lines", "typed", 80, isLineMove],
  ["completed a word", "completion", 92, (seen) => seen.changes.some((each) => completes(each, seen))],
  ["reformatted", "formatter", 85, (seen) => seen.changes.every(keepsText) && !isOneInsert(seen)],
  ["block put in at the caret", "pasted", 75, (seen) => seen.changes.length > 0 && seen.changes.every((each) => isBlockAt(each, seen))],
  ["put in at the caret", "completion", 70, (seen) => seen.changes.length > 0 && seen.changes.every((each) => isInsertAt(each, seen))],
  ["replaced all alike", "typed", 60, isReplaceAll],
  ["by a program", "agent", 75, () => true],
];

/** Judges one change of the editor. */
export function judge(seen: Observed): Verdict {
  const rule = RULES.find(([, , , holds]) => holds(seen));
  return rule ? { origin: rule[1], confidence: rule[2] } : { origin: "unknown", confidence: 0 };
}

function byKey(seen: Observed): boolean {
  return seen.mover === "keyboard";
}

/** One character, a pair that the editor closed, or nothing but a bracket put around a selection. */
function isStroke(each: Replacement): boolean {
  return [...each.text].length === 1 || PAIRS.has(each.text);
}

function isComposed(each: Replacement): boolean {
  return each.text.length <= MAX_COMPOSED && COMPOSED.test(each.text);
}

/** Whether a change reaches over a caret, or over a whole selection, as it was before. */
function atCaret(each: Span, seen: Observed): boolean {
  return seen.before.some((span) => !isBefore(span.start, each.start) && !isBefore(each.end, span.end));
}

/** Whether something was put in exactly where a caret was, or in the place of a selection. */
function isInsertAt(each: Replacement, seen: Observed): boolean {
  return seen.before.some((span) => samePlace(span.start, each.start) && samePlace(span.end, each.end));
}

/** Whether whole lines were put in at a caret. Ghost text goes on with a line that was begun, and ends within one. */
function isBlockAt(each: Replacement, seen: Observed): boolean {
  const begun = seen.lineBefore(each.start.line).slice(0, each.start.character).trim() !== "";
  return isInsertAt(each, seen) && /[\r\n]/.test(each.text) && (/[\r\n][ \t]*$/.test(each.text) || !begun);
}

function isOneInsert(seen: Observed): boolean {
  return seen.changes.length === 1 && seen.changes[0]?.deleted === "" && isInsertAt(seen.changes[0], seen);
}

/** Whether only the blank start of a selected line changed. */
function isIndent(each: Replacement, seen: Observed): boolean {
  const blankBefore = /^[ \t]*$/.test(seen.lineBefore(each.start.line).slice(0, each.start.character));
  return each.start.line === each.end.line && blankBefore && isBlank(each.text) && isBlank(each.deleted) && onSelectedLine(each, seen);
}

function onSelectedLine(each: Span, seen: Observed): boolean {
  return seen.before.some((span) => each.start.line >= span.start.line && each.end.line <= span.end.line);
}

/** Whether the same short mark was put on, or taken off, selected lines: a toggled comment. */
function isMarking(seen: Observed): boolean {
  const marks = new Set(seen.changes.map((each) => (each.text || each.deleted).trim()));
  return (
    marks.size <= 2 &&
    !marks.has("") &&
    seen.changes.every((each) => (each.text === "") !== (each.deleted === "") && SHORT_MARK.test(each.text || each.deleted) && onSelectedLine(each, seen))
  );
}

/** Whether lines at the caret went up or down, or stand there twice now. */
function isLineMove(seen: Observed): boolean {
  const put = seen.changes.map((each) => each.text).join("").trim();
  const taken = seen.changes.map((each) => each.deleted).join("").trim();
  if (put === "" || !seen.changes.every((each) => nearCaret(each, seen))) return false;
  if (seen.changes.length === 2) return put === taken;
  const copied = seen.before.map((span) => linesOf(span, seen)).join("").trim();
  return seen.changes.length === 1 && taken === "" && put === copied && /[\r\n]/.test(seen.changes[0]?.text ?? "");
}

function nearCaret(each: Span, seen: Observed): boolean {
  return seen.before.some((span) => each.end.line >= span.start.line - 1 && each.start.line <= span.end.line + 1);
}

function linesOf(span: Span, seen: Observed): string {
  const lines: string[] = [];
  for (let line = span.start.line; line <= span.end.line; line += 1) lines.push(seen.lineBefore(line));
  return lines.join("");
}

/** Whether what stood before the caret was replaced by something longer that its letters abbreviate. */
function completes(each: Replacement, seen: Observed): boolean {
  const ends = seen.before.some((span) => isEmpty(span) && !isBefore(span.end, each.start) && !isBefore(each.end, span.end));
  const word = each.deleted;
  return ends && word !== "" && !/\s/.test(word) && each.text.length > word.length && abbreviates(word, each.text) && keptCaret(each, seen);
}

/** Whether the caret went into, or to the end of, what was put in. */
function keptCaret(each: Replacement, seen: Observed): boolean {
  const caret = seen.after?.end;
  return caret === undefined || !isBefore(caret, each.start);
}

function abbreviates(short: string, long: string): boolean {
  let from = 0;
  const text = long.toLowerCase();
  for (const letter of short.toLowerCase()) {
    from = text.indexOf(letter, from) + 1;
    if (from === 0) return false;
  }
  return true;
}

/** Whether a change touches only blanks, line ends, quotes, commas, semicolons and brackets. */
function keepsText(each: Replacement): boolean {
  return essence(each.text) === essence(each.deleted);
}

function essence(text: string): string {
  return text.replace(/[\s"'`,;()]/g, "");
}

/** Whether equal texts were replaced by equal texts and the caret stayed: find and replace. */
function isReplaceAll(seen: Observed): boolean {
  const first = seen.changes[0];
  return (
    seen.mover === "none" &&
    first !== undefined &&
    first.deleted !== "" &&
    seen.changes.every((each) => each.text === first.text && each.deleted.toLowerCase() === first.deleted.toLowerCase())
  );
}

function isBlank(text: string): boolean {
  return text === "" || BLANK.test(text);
}

function isEmpty(span: Span): boolean {
  return samePlace(span.start, span.end);
}

function samePlace(a: Place, b: Place): boolean {
  return a.line === b.line && a.character === b.character;
}

function isBefore(a: Place, b: Place): boolean {
  return a.line < b.line || (a.line === b.line && a.character < b.character);
}
