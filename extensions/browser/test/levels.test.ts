import assert from "node:assert/strict";
import { test } from "node:test";
import { lower, phrase, shape } from "../src/shared/levels.ts";
import type { Level, WireBody, WireElement } from "../src/shared/wire.ts";

const element: WireElement = {
  role: "button",
  name: "Grant Zoë 3 days",
  name_from: "content",
  context: "Row Ümit",
  context_role: "row",
  path: "form:1/button:2",
  box: [1, 2, 3, 4],
};
const BODIES: WireBody[] = [
  {
    kind: "page.open",
    tab: 3,
    route: "https://t.example/users/:id?secretname",
    title: "Ticket of Alice",
    width: 800,
    height: 600,
    parent: null,
  },
  { kind: "page.navigate", route: "https://t.example:8443/Alice/x9", title: "Alice", cause: "push" },
  { kind: "page.close" },
  { kind: "tab.activate" },
  { kind: "page.focus", focused: true, visible: true },
  { kind: "pointer.trail", points: [[0, 1, 2]] },
  { kind: "pointer.click", element, x: 1, y: 2, button: 0, count: 1, modifiers: 0 },
  { kind: "scroll", x: 0, y: 40, element },
  {
    kind: "field.change",
    element,
    content: "email",
    length: "5-16",
    value: "alice@x.example",
    checked: null,
    form: 1,
  },
  { kind: "key.rhythm", element, keys: "ccd", intervals: [0, 1, 2] },
  { kind: "form.submit", element, form: 1 },
  { kind: "clipboard", action: "copy", element },
  {
    kind: "page.outline",
    nodes: [{ depth: 0, role: "cell", name: "Alice", name_from: "content", states: [] }],
  },
];
const WORDS = /Alice|alice|Zoë|Ümit|Grant|secretname|Row/;

test("shape replaces characters as the gate does", () => {
  assert.equal(shape("Zoë Ümit 42²: ǅ 漢字"), "Aaa Aaaa 000: A aa");
});

test("no text of any kind is left below content", () => {
  for (const body of BODIES) {
    for (const level of ["shape", "rhythm"] as Level[]) {
      assert.doesNotMatch(JSON.stringify(lower(body, level)), WORDS, `${body.kind} at ${level}`);
    }
  }
});

test("rhythm leaves no place, no number of a thing and no structure", () => {
  for (const body of BODIES) {
    const text = JSON.stringify(lower(body, "rhythm"));
    assert.doesNotMatch(text, /:"(?:button|row|cell)|form:1|example|"tab":3/, body.kind);
  }
});

test("lowering twice is lowering once, and content is left alone", () => {
  for (const body of BODIES) {
    assert.deepEqual(lower(body, "content"), body);
    for (const level of ["shape", "rhythm"] as Level[]) {
      assert.deepEqual(lower(lower(body, level), level), lower(body, level));
    }
  }
});

test("a route at shape keeps origin and template, and drops the query", () => {
  const body = lower(BODIES[0] as WireBody, "shape");
  assert.equal(body.kind === "page.open" && body.route, "https://t.example/aaaaa/:id");
});

test("a phrase is cut between characters", () => {
  assert.equal(Array.from(phrase("😀".repeat(200))).length, 120);
  assert.equal(phrase("  a \n b "), "a b");
});
