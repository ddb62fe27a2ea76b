import assert from "node:assert/strict";
import { test } from "node:test";
import { Allowance } from "../src/page/allowance.ts";

test("a person's events are within the allowance, and a flood's are counted", () => {
  const allowance = new Allowance();
  for (let at = 0; at < 60_000; at += 100) assert.ok(allowance.takes(at));
  assert.equal(allowance.lost(), 0);
  const taken = Array.from({ length: 10_000 }, (_, at) => allowance.takes(60_000 + at / 10)).filter(Boolean);
  assert.ok(taken.length >= 300 && taken.length <= 330, String(taken.length));
  assert.equal(allowance.lost(), 10_000 - taken.length);
  assert.equal(allowance.lost(), 0);
  assert.ok(allowance.takes(61_100));
});
