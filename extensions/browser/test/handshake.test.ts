import assert from "node:assert/strict";
import { test } from "node:test";
import {
  base64url,
  codeSecret,
  equalInConstantTime,
  fromBase64url,
  Handshake,
  proofOf,
} from "../src/worker/handshake.ts";

const SECRET = base64url(new Uint8Array(32).fill(7));
const NONCE = new Uint8Array(16).fill(9);
const IDENTITY = {
  profile: "ab".repeat(16),
  origin: "chrome-extension://fmhepkjmpkclcdnaaiehckedkjmeibll",
};
const STATE = { capture: "off", reasons: [], paused_until_ms: null, studies: [] };

function proof(side: "bridge" | "client" | "pair", secret = SECRET, port = 4000) {
  const { profile, origin } = IDENTITY;
  return proofOf(side, secret, { profile, origin, port, nonce: base64url(NONCE), challenge: "xyz" });
}

test("both sides prove themselves, and the secret is in no message", async () => {
  const handshake = new Handshake(IDENTITY, { port: 4000, secret: SECRET }, NONCE);
  const hello = handshake.hello();
  const step = await handshake.receive({ type: "challenge", nonce: "xyz", proof: await proof("bridge") });
  assert.deepEqual(step, { send: { type: "proof", proof: await proof("client") } });
  assert.deepEqual(await handshake.receive({ type: "ready", state: STATE }), {
    ready: { state: STATE, paired: null },
  });
  assert.ok(!JSON.stringify([hello, step]).includes(SECRET));
});

test("one who does not know the secret gets no proof", async () => {
  const other = base64url(new Uint8Array(32).fill(8));
  const wrong = [
    await proof("bridge", other),
    await proof("client"),
    await proof("bridge", SECRET, 4001),
    "",
  ];
  for (const guess of wrong) {
    const handshake = new Handshake(IDENTITY, { port: 4000, secret: SECRET }, NONCE);
    assert.deepEqual(await handshake.receive({ type: "challenge", nonce: "xyz", proof: guess }), {
      fail: "bridge-unproven",
    });
    assert.deepEqual(await handshake.receive({ type: "ready", state: STATE }), {
      fail: "bridge-protocol",
    });
  }
});

test("a message out of its turn, or of the wrong form, ends it", async () => {
  const messages = [
    { type: "ready", state: STATE },
    { type: "ack", seq: 1 },
    { type: "challenge", nonce: 3, proof: "x" },
    {},
  ];
  for (const message of messages) {
    const handshake = new Handshake(IDENTITY, { port: 4000, secret: SECRET }, NONCE);
    assert.deepEqual(await handshake.receive(message), { fail: "bridge-protocol" });
  }
  for (const ready of [{}, { state: {} }, { state: { ...STATE, capture: "on" } }]) {
    const handshake = new Handshake(IDENTITY, { port: 4000, secret: SECRET }, NONCE);
    await handshake.receive({ type: "challenge", nonce: "xyz", proof: await proof("bridge") });
    assert.deepEqual(await handshake.receive({ type: "ready", ...ready }), { fail: "bridge-protocol" });
  }
});

test("a pairing by code leaves a secret of its own, which only both sides can make", async () => {
  const secret = codeSecret("abcde-FGHIJ-KLMNO-PQ234");
  assert.equal(new TextDecoder().decode(fromBase64url(secret)), "ABCDEFGHIJKLMNOPQ234");
  const handshake = new Handshake(IDENTITY, { port: 4000, secret, pair: true }, NONCE);
  assert.equal((handshake.hello() as { pair?: boolean }).pair, true);
  await handshake.receive({ type: "challenge", nonce: "xyz", proof: await proof("bridge", secret) });
  const step = await handshake.receive({ type: "ready", state: STATE });
  assert.equal("ready" in step && step.ready.paired, await proof("pair", secret));
});

test("base64url goes both ways without padding", () => {
  const bytes = Uint8Array.from([251, 255, 254, 0]);
  assert.equal(base64url(bytes), "-__-AA");
  assert.deepEqual(fromBase64url("-__-AA"), bytes);
});

test("texts are compared as wholes", () => {
  assert.ok(equalInConstantTime("abc", "abc"));
  for (const other of ["abd", "ab", "abcd", ""]) assert.ok(!equalInConstantTime("abc", other));
});
