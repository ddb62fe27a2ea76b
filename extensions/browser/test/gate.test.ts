import assert from "node:assert/strict";
import { test } from "node:test";
import type { State, Study } from "../src/shared/wire.ts";
import { decide, GRACE_MS, type Question } from "../src/worker/gate.ts";

const ORIGIN = "https://t.example";
const NOW = 1_000_000;

function study(changes: Partial<Study> = {}): Study {
  return {
    study: "desk",
    title: "",
    version: 1,
    controller: "",
    contact: "",
    notice: "",
    purposes: [],
    origins: [ORIGIN],
    levels: { "page.open": "shape", "pointer.click": "rhythm" },
    secret_fields: ["iban"],
    hold_s: 0,
    retention_days: 1,
    end_ms: NOW + 1,
    live: true,
    refusal: null,
    ...changes,
  };
}

function ask(
  changes: Partial<Question> = {},
  studies: Study[] = [study()],
  capture: State["capture"] = "capturing",
) {
  return decide({
    origin: ORIGIN,
    incognito: false,
    permitted: true,
    state: { capture, reasons: [], paused_until_ms: null, studies },
    heardAt: NOW,
    answers: { "desk@1": { [ORIGIN]: "yes" } },
    now: NOW,
    ...changes,
  });
}

test("a site is captured when everything says yes", () => {
  assert.deepEqual(ask(), {
    allowed: true,
    levels: { "page.open": "shape", "pointer.click": "rhythm" },
    secretFields: ["iban"],
    studies: ["desk"],
  });
});

test("each thing that is missing is a no, with its reason", () => {
  const code = (decision: ReturnType<typeof decide>) => (decision.allowed ? "allowed" : decision.code);
  assert.equal(code(ask({ incognito: true })), "incognito");
  assert.equal(code(ask({ origin: null })), "no-site");
  assert.equal(code(ask({ state: null })), "no-bridge");
  assert.equal(code(ask({ heardAt: NOW - GRACE_MS - 1 })), "no-bridge");
  assert.equal(code(ask({ heardAt: NOW + GRACE_MS + 1 })), "no-bridge");
  assert.equal(code(ask({}, [study()], "paused")), "paused");
  assert.equal(code(ask({}, [study()], "off")), "off");
  assert.equal(code(ask({}, [])), "not-in-a-study");
  assert.equal(code(ask({ origin: "https://t.example:444" })), "not-in-a-study");
  assert.equal(code(ask({}, [study({ live: false })])), "not-in-a-study");
  assert.equal(code(ask({}, [study({ end_ms: NOW })])), "not-in-a-study");
  assert.equal(code(ask({}, [study({ refusal: { code: "withdrawn", detail: "" } })])), "not-in-a-study");
  assert.equal(code(ask({ answers: {} })), "not-agreed");
  assert.equal(code(ask({ answers: { "desk@1": { [ORIGIN]: "no" } } })), "not-agreed");
  assert.equal(code(ask({ permitted: false })), "no-permission");
});

test("another version of a study asks again", () => {
  const decision = ask({}, [study({ version: 2 })]);
  assert.equal(decision.allowed, false);
});

test("where two studies ask, only those agreed to count, and the highest level goes to the gate", () => {
  const other = study({
    study: "other",
    levels: { "page.open": "content", scroll: "shape" },
    secret_fields: ["x"],
  });
  const answers = { "desk@1": { [ORIGIN]: "yes" as const }, "other@1": { [ORIGIN]: "yes" as const } };
  const both = ask({ answers }, [study(), other]);
  assert.deepEqual(both.allowed && both.levels, {
    "page.open": "content",
    "pointer.click": "rhythm",
    scroll: "shape",
  });
  assert.deepEqual(both.allowed && both.secretFields, ["iban", "x"]);
  const one = ask({}, [study(), other]);
  assert.deepEqual(one.allowed && one.studies, ["desk"]);
});
