import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { codeSecret, proofOf } from "../src/worker/handshake.ts";

/** The vectors of docs/PROTOCOL.md, which the bridge's own tests run as well. */
const vectors = JSON.parse(readFileSync("../../tests/vectors/bridge.json", "utf8"));

test("proofs and the secret of a pairing are those of the protocol's vectors", async () => {
  const { answer, ...bound } = vectors.bound;
  const parts = { ...bound, challenge: answer };
  assert.equal(await proofOf("bridge", vectors.secret, parts), vectors.bridge_proof);
  assert.equal(await proofOf("client", vectors.secret, parts), vectors.client_proof);
  assert.equal(await proofOf("pair", codeSecret(vectors.code), parts), vectors.paired_secret);
});
