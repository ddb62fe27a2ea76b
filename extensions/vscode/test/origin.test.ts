import assert from "node:assert/strict";
import { test } from "node:test";
import type { Span } from "../src/lines";
import { type Mover, type Observed, type Replacement, judge } from "../src/origin";

/** A document's lines, a change in it, and how the caret moved: as Visual Studio Code 1.100 tells it. */
function seen(
  text: string,
  caret: [number, number, number?, number?],
  changes: [number, number, number, number, string][],
  mover: Mover,
  more: Partial<Observed> = {},
): Observed {
  const lines = text.split("\n");
  const [line, character, endLine = line, endCharacter = character] = caret;
  const span: Span = { start: { line, character }, end: { line: endLine, character: endCharacter } };
  const cut = (l: number, c: number, el: number, ec: number) =>
    l === el ? (lines[l] ?? "").slice(c, ec) : [(lines[l] ?? "").slice(c), ...lines.slice(l + 1, el), (lines[el] ?? "").slice(0, ec)].join("\n");
  const replaced: Replacement[] = changes.map(([l, c, el, ec, put]) => ({
    start: { line: l, character: c },
    end: { line: el, character: ec },
    text: put,
    deleted: cut(l, c, el, ec),
  }));
  return {
    changes: replaced,
    reason: undefined,
    dirty: true,
    saving: false,
    active: true,
    mover,
    before: [span],
    after: undefined,
    lineBefore: (number) => `${lines[number] ?? ""}\n`,
    ...more,
  };
}

const cases: [string, string, Observed][] = [
  ["a letter", "typed", seen("fo", [0, 2], [[0, 2, 0, 2, "o"]], "keyboard")],
  ["a bracket that the editor closed", "typed", seen("f", [0, 1], [[0, 1, 0, 1, "()"]], "keyboard")],
  ["a character beyond one unit", "typed", seen("f", [0, 1], [[0, 1, 0, 1, "😀"]], "keyboard")],
  ["a letter over a selection", "typed", seen("import os", [0, 0, 0, 9], [[0, 0, 0, 9, "z"]], "keyboard")],
  ["a composed word", "typed", seen("x = ", [0, 4], [[0, 4, 0, 4, "漢字"]], "keyboard")],
  ["cut", "typed", seen("import os", [0, 0, 0, 9], [[0, 0, 0, 9, ""]], "keyboard")],
  ["enter", "typed", seen("if x:", [0, 5], [[0, 5, 0, 5, "\n    "]], "program")],
  ["enter between brackets", "typed", seen("f({})", [0, 3], [[0, 3, 0, 3, "\n  \n"]], "program")],
  ["enter in a comment", "typed", seen("/**", [0, 3], [[0, 3, 0, 3, "\n * "]], "program")],
  ["backspace", "typed", seen("    ", [0, 4], [[0, 0, 0, 4, ""]], "program")],
  ["delete", "typed", seen("import", [0, 0], [[0, 0, 0, 1, ""]], "none")],
  ["tabulator", "typed", seen("gh", [0, 2], [[0, 2, 0, 2, "  "]], "program")],
  ["indent", "typed", seen("a\nb", [0, 0, 1, 1], [[1, 0, 1, 0, "    "], [0, 0, 0, 0, "    "]], "program")],
  ["a toggled comment", "typed", seen("a\nb", [0, 0, 1, 1], [[1, 0, 1, 0, "# "], [0, 0, 0, 0, "# "]], "program")],
  ["a line moved up", "typed", seen("a = 1\nif x:\n", [1, 2], [[1, 5, 1, 5, "\na = 1"], [0, 0, 1, 0, ""]], "program")],
  ["a line copied down", "typed", seen("if x:\n", [0, 2], [[0, 0, 0, 0, "if x:\n"]], "program")],
  ["a letter by a Vim emulation", "typed", seen("fo", [0, 2], [[0, 2, 0, 2, "o"]], "program")],
  ["a word pasted", "pasted", seen("x", [0, 1], [[0, 1, 0, 1, "import os"]], "keyboard")],
  ["lines pasted at two carets", "pasted", seen("x\ny", [0, 1], [[1, 1, 1, 1, "a\nb"], [0, 1, 0, 1, "a\nb"]], "keyboard")],
  ["whole lines pasted, which the editor indents", "pasted", seen("x = 0", [0, 5], [[0, 5, 0, 5, "def f():\n    pass\n"]], "program")],
  ["whole lines pasted on a blank line", "pasted", seen("    ", [0, 4], [[0, 4, 0, 4, "a = 1\n    b = 2"]], "program")],
  ["a suggestion", "completion", seen("    prin", [0, 8], [[0, 4, 0, 8, "printer_friendly"]], "program")],
  ["a fuzzy suggestion", "completion", seen("gCB", [0, 3], [[0, 0, 0, 3, "getClipBoard"]], "program")],
  ["a suggestion that imports", "completion", seen("import os\npat", [1, 3], [[1, 0, 1, 3, "Path"], [0, 9, 0, 9, "\nfrom pathlib import Path"]], "program")],
  ["ghost text", "completion", seen("def gh", [0, 6], [[0, 6, 0, 6, "ost(a):\n    return a"]], "program")],
  ["format document", "formatter", seen("q=1  \n  x", [1, 3], [[0, 3, 0, 5, ""], [0, 2, 0, 2, " "], [0, 1, 0, 1, " "]], "program")],
  ["format document on the caret's line", "formatter", seen("w=1  ", [0, 5], [[0, 3, 0, 5, ""], [0, 2, 0, 2, " "], [0, 1, 0, 1, " "]], "program")],
  ["quotes changed by a formatter", "formatter", seen("f('a')\n", [1, 0], [[0, 2, 0, 5, '"a"'], [0, 6, 0, 6, ";"]], "none")],
  ["format on save", "formatter", seen("x", [0, 1], [[0, 1, 0, 1, "\n"]], "program", { saving: true })],
  ["an edit elsewhere", "agent", seen("a\nb\nc", [2, 1], [[0, 0, 0, 0, "# written by a program\n"]], "program")],
  ["an edit below the caret", "agent", seen("a\nb\nc", [0, 0], [[2, 1, 2, 1, "\nmore = 2\n"]], "none")],
  ["an edit in another file", "agent", seen("a", [0, 0], [[0, 0, 0, 0, "x"]], "none", { active: false, before: [] })],
  ["undo", "undo", seen("a", [0, 0], [[0, 0, 0, 1, ""]], "none", { reason: "undo" })],
  ["redo", "redo", seen("a", [0, 0], [[0, 0, 0, 1, ""]], "none", { reason: "redo" })],
  ["a reload", "external", seen("a\nb", [1, 0], [[0, 0, 1, 1, "changed by git\n"]], "program", { dirty: false })],
  ["the first stroke, of which the editor says late that the file is dirty", "typed", seen("", [0, 0], [[0, 0, 0, 0, "a"]], "keyboard", { dirty: false })],
  ["find and replace", "typed", seen("git, git", [0, 0], [[0, 5, 0, 8, "hub"], [0, 0, 0, 3, "hub"]], "none")],
];

for (const [name, origin, observed] of cases) {
  test(`${name} is ${origin}`, () => {
    const verdict = judge(observed);
    assert.equal(verdict.origin, origin);
    assert.ok(verdict.confidence >= 50 && verdict.confidence <= 100);
  });
}
