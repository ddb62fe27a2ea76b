import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { knownRole, knownTag, ROLES, TAGS } from "../src/shared/words.ts";
import { codeSecret, proofOf } from "../src/worker/handshake.ts";

/** Vectors that the tests of the bridge and the gate run as well. */
const read = (name: string) => JSON.parse(readFileSync(`../../tests/vectors/${name}.json`, "utf8"));
const vectors = read("bridge");
const words = read("words");

test("proofs and the secret of a pairing are those of the protocol's vectors", async () => {
  const { answer, ...bound } = vectors.bound;
  const parts = { ...bound, challenge: answer };
  assert.equal(await proofOf("bridge", vectors.secret, parts), vectors.bridge_proof);
  assert.equal(await proofOf("client", vectors.secret, parts), vectors.client_proof);
  assert.equal(await proofOf("pair", codeSecret(vectors.code), parts), vectors.paired_secret);
});

test("the words of elements are those that the gate takes", () => {
  assert.deepEqual(["", ...ROLES].sort(), words.roles);
  assert.deepEqual([...TAGS].sort(), words.tags);
  for (const [written, kept] of Object.entries(words.role_kept))
    assert.equal(knownRole(written), kept, written);
  for (const [written, kept] of Object.entries(words.tag_kept))
    assert.equal(knownTag(written), kept, written);
});
