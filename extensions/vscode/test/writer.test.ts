import assert from "node:assert/strict";
import { Writable } from "node:stream";
import test, { type TestContext } from "node:test";
import { RowWriter } from "../src/writer";

const key = (text: string) => ({ jsonrpc: "2.0", method: "textDocument/didChange", params: { text } });
const save = { jsonrpc: "2.0", method: "textDocument/didSave", params: {} };

/** What was written, piece by piece: the texts or else the method of each message. */
function written(context: TestContext): { writer: RowWriter; pieces: string[][] } {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const pieces: string[][] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      const bodies = chunk.toString("utf8").split(/Content-Length: \d+\r\n\r\n/).slice(1);
      pieces.push(
        bodies.map((body) => {
          const said = JSON.parse(body) as { method: string; params: { text?: string } };
          return said.params.text ?? said.method;
        }),
      );
      done();
    },
  });
  return { writer: new RowWriter(stream), pieces };
}

test("keys wait for each other, and go in one piece", async (context) => {
  const { writer, pieces } = written(context);
  const sent = [writer.write(key("a"))];
  context.mock.timers.tick(300);
  sent.push(writer.write(key("ü")));
  assert.deepEqual(pieces, []);
  context.mock.timers.tick(660);
  await Promise.all(sent);
  assert.deepEqual(pieces, [["a", "ü"]]);
  context.mock.timers.tick(10_000);
  assert.deepEqual(pieces, [["a", "ü"]]);
});

test("what is no key goes at once, behind the keys", async (context) => {
  const { writer, pieces } = written(context);
  void writer.write(key("a"));
  await writer.write(save);
  await writer.write({ jsonrpc: "2.0", id: 1, method: "overt/pause", params: {} } as never);
  void writer.write(key("b"));
  context.mock.timers.tick(960);
  assert.deepEqual(pieces, [["a", "textDocument/didSave"], ["overt/pause"], ["b"]]);
});

test("a row that is no typing goes at once", async (context) => {
  const { writer, pieces } = written(context);
  await writer.write(key("x".repeat(7000)));
  assert.equal(pieces.length, 1);
});

test("the end does not leave keys behind", (context) => {
  const { writer, pieces } = written(context);
  void writer.write(key("a"));
  writer.end();
  assert.deepEqual(pieces, [["a"]]);
});

test("a sidecar that has gone fails each message that waited", async () => {
  const writer = new RowWriter(
    new Writable({
      write(_chunk, _encoding, done) {
        done(new Error("gone"));
      },
    }),
  );
  let failures = 0;
  writer.onError(() => {
    failures += 1;
  });
  const sent = [writer.write(key("a")), writer.write(save)];
  assert.deepEqual(
    (await Promise.allSettled(sent)).map((each) => each.status),
    ["rejected", "rejected"],
  );
  assert.ok(failures > 0);
});
