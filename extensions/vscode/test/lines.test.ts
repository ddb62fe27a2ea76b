import assert from "node:assert/strict";
import { test } from "node:test";
import { Lines } from "../src/lines";

const at = (line: number, character: number) => ({ line, character });

test("a change gives what it took out, over lines and line ends of every kind", () => {
  const lines = new Lines("one\r\ntwo\nthree\rfour");
  assert.equal(lines.apply({ start: at(0, 2), end: at(2, 1), text: "X" }), "e\r\ntwo\nt");
  assert.equal(lines.text(), "onXhree\rfour");
  assert.equal(lines.line(0), "onXhree\r");
  assert.equal(lines.apply({ start: at(1, 4), end: at(1, 4), text: "\nfive\n" }), "");
  assert.equal(lines.text(), "onXhree\rfour\nfive\n");
  assert.equal(lines.line(3), "");
});

test("random changes give the same text as on one string", () => {
  let seed = 7;
  const next = (below: number) => (seed = (seed * 1103515245 + 12345) % 2 ** 31) % below;
  let text = "alpha\nbeta\n\ngamma";
  const lines = new Lines(text);
  const place = (offset: number) => {
    const before = text.slice(0, offset).split("\n");
    return at(before.length - 1, before.at(-1)?.length ?? 0);
  };
  for (let turn = 0; turn < 3000; turn += 1) {
    const from = next(text.length + 1);
    const to = Math.min(text.length, from + next(6));
    const insert = ["", "x", "\n", "a\nb", "\n\n", "é😀"][next(6)] ?? "";
    const taken = lines.apply({ start: place(from), end: place(to), text: insert });
    assert.equal(taken, text.slice(from, to));
    text = text.slice(0, from) + insert + text.slice(to);
    assert.equal(lines.text(), text);
  }
});
