import assert from "node:assert/strict";
import { test } from "node:test";
import type { WireBody, WireEvent } from "../src/shared/wire.ts";
import { type Change, type Disk, type Kept, type PageNote, Queue, type Row } from "../src/worker/queue.ts";

/** Keeps what was committed, as the browser's database does; what was not, is gone with the worker. */
class Memory implements Disk {
  rows = new Map<number, Row>();
  notes = new Map<string, PageNote>();
  next: number | null = null;

  async load(): Promise<Kept> {
    return { rows: [...this.rows.values()], notes: [...this.notes.values()], next: this.next };
  }

  async commit({ put, remove, notes, forget, next }: Change) {
    for (const seq of remove) this.rows.delete(seq);
    for (const row of put) this.rows.set(row.seq, structuredClone(row));
    for (const note of notes) this.notes.set(note.page, structuredClone(note));
    for (const page of forget) this.notes.delete(page);
    this.next = next;
  }
}

const O = "https://t.example";
const open: WireBody = {
  kind: "page.open",
  tab: 1,
  route: `${O}/`,
  title: "",
  width: 1,
  height: 1,
  parent: null,
};

function event(page: string, body: WireBody = { kind: "tab.activate" }, wall = 1000): WireEvent {
  return { page, wall_ms: wall, mono_ms: wall, body };
}

function numbers(queue: Queue): number[] {
  return queue.after(0, 1e6, 1e9).map((row) => row.seq);
}

async function loaded(disk: Disk, maxRows?: number): Promise<Queue> {
  const queue = new Queue(disk, maxRows);
  await queue.load(async () => undefined);
  return queue;
}

test("events are numbered without gaps, also over the worker's death", async () => {
  const disk = new Memory();
  await (await loaded(disk)).append("a", O, 1, [event("a", open), event("a")]);
  const queue = await loaded(disk);
  await queue.append("a", O, 2, [event("a")]);
  assert.deepEqual(numbers(queue), [1, 2, 3]);
});

test("a batch that is sent twice is taken once, also over the worker's death", async () => {
  const disk = new Memory();
  assert.equal(await (await loaded(disk)).append("a", O, 1, [event("a", open)]), true);
  const queue = await loaded(disk);
  assert.equal(await queue.append("a", O, 1, [event("a", open)]), false);
  assert.equal(await queue.append("b", O, 1, [event("b", open)]), true);
  assert.equal(queue.length, 2);
});

test("what is acknowledged is gone from the disk, and its numbers are not given again", async () => {
  const disk = new Memory();
  const queue = await loaded(disk);
  await queue.append("a", O, 1, [event("a", open), event("a")]);
  await queue.acked(2);
  assert.equal(disk.rows.size, 0);
  const again = await loaded(disk);
  await again.append("a", O, 2, [event("a")]);
  assert.deepEqual(numbers(again), [3]);
});

test("a full queue counts what it can't take, in place", async () => {
  const queue = await loaded(new Memory(), 3);
  await queue.append("a", O, 1, [event("a", open), event("a"), event("a"), event("a"), event("a")]);
  await queue.append("a", O, 2, [event("a")]);
  const rows = queue.after(0, 10, 1e6);
  assert.deepEqual(
    rows.map((row) => row.event.body.kind),
    ["page.open", "tab.activate", "tab.activate", "capture.gap"],
  );
  assert.deepEqual(rows[3]?.event.body, { kind: "capture.gap", count: 3, reason: "queue-full" });
});

test("a page introduces itself at the place where it is, behind the page that it is a frame of", async () => {
  const queue = await loaded(new Memory());
  await queue.append("f", O, 1, [event("f", { ...open, parent: "a" })]);
  await queue.append("a", O, 1, [event("a", open)]);
  await queue.append("a", O, 2, [
    event("a", { kind: "page.navigate", route: `${O}/list`, title: "L", cause: "push" }),
  ]);
  await queue.acked(3);
  assert.deepEqual(
    queue.introduction("f").map(({ page, open: body }) => [page, body.kind === "page.open" && body.route]),
    [
      ["a", `${O}/list`],
      ["f", `${O}/`],
    ],
  );
  assert.deepEqual(queue.introduction("unknown"), []);
});

test("a bridge that took more than it could say is believed", async () => {
  const queue = await loaded(new Memory());
  await queue.append("a", O, 1, [event("a", open), event("a"), event("a")]);
  await queue.acked(3);
  assert.equal(queue.length, 0);
  await queue.append("a", O, 2, [event("a")]);
  assert.deepEqual(numbers(queue), [4]);
});

test("what is taken back leaves its number free, and no batch runs over the hole", async () => {
  const disk = new Memory();
  const queue = await loaded(disk);
  await queue.append("a", O, 1, [event("a", open), event("a", undefined, 2000), event("a", undefined, 900)]);
  assert.equal(await queue.drop((row) => row.event.wall_ms >= 2000), 1);
  assert.deepEqual([...disk.rows.keys()], [1, 3]);
  assert.deepEqual(numbers(queue), [1]);
  assert.equal(queue.after(1, 10, 1e6)[0]?.seq, 3);
  await queue.append("a", O, 2, [event("a")]);
  assert.equal(queue.waiting.at(-1)?.seq, 4);
});

test("a batch keeps to its number and size", async () => {
  const queue = await loaded(new Memory());
  await queue.append(
    "a",
    O,
    1,
    Array.from({ length: 20 }, () => event("a")),
  );
  assert.equal(queue.after(0, 7, 1e6).length, 7);
  const size = JSON.stringify(event("a")).length;
  assert.equal(queue.after(5, 100, size * 3).length, 3);
  assert.equal(queue.after(5, 100, 1).length, 1);
});

test("where the numbers are lost, all begins anew before one is given, and only then", async () => {
  const disk = new Memory();
  let begun = 0;
  const begin = async () => {
    assert.equal(disk.next, null);
    begun += 1;
  };
  await new Queue(disk).load(begin);
  await new Queue(disk).load(begin);
  assert.equal(begun, 1);
  await (await loaded(disk)).append("a", O, 1, [event("a", open)]);
  await new Queue(disk).load(begin);
  assert.equal(begun, 1);
});

/** Writes when it is told to, and may fail. */
class Slow extends Memory {
  commits = 0;
  write: Promise<void> = Promise.resolve();

  override async commit(change: Change) {
    this.commits += 1;
    await this.write;
    await super.commit(change);
  }
}

test("what comes while a write is under way is written down together, in the order in which it came", async () => {
  const disk = new Slow();
  const queue = await loaded(disk);
  const frames = Array.from({ length: 200 }, (_, at) => `f${at}`);
  await Promise.all(frames.map((page) => queue.append(page, O, 1, [event(page, open)])));
  assert.ok(disk.commits < 5, `${disk.commits} writes`);
  assert.deepEqual(
    [...disk.rows.values()].map((row) => row.event.page),
    frames,
  );
});

test("a batch that comes again is taken for durable when the first one is, also after a write that failed", async () => {
  const disk = new Slow();
  const queue = await loaded(disk);
  let fail = (_: Error): void => undefined;
  disk.write = new Promise((_, reject) => {
    fail = reject;
  });
  const first = queue.append("a", O, 1, [event("a", open)]);
  const again = queue.append("a", O, 1, [event("a", open)]);
  fail(new Error("full"));
  await assert.rejects(first);
  await assert.rejects(again);
  assert.equal(disk.rows.size, 0);
  disk.write = Promise.resolve();
  assert.equal(await queue.append("a", O, 1, [event("a", open)]), false);
  assert.deepEqual(numbers(await loaded(disk)), [1]);
});

test("what is taken back before it was written down does not come back", async () => {
  const disk = new Slow();
  const queue = await loaded(disk);
  const written = [queue.append("a", O, 1, [event("a", open)]), queue.append("a", O, 2, [event("a")])];
  await Promise.all([...written, queue.drop(() => true)]);
  assert.deepEqual(numbers(await loaded(disk)), []);
});

test("each of very many frames that are open can introduce itself, and what closed long ago is forgotten", async () => {
  const disk = new Memory();
  const queue = await loaded(disk);
  const pages = Array.from({ length: 1200 }, (_, at) => `p${at}`);
  const close: WireBody = { kind: "page.close" };
  for (const [at, page] of pages.entries()) await queue.append(page, O, 1, [event(page, open, at)]);
  for (const page of pages.slice(0, 600)) await queue.append(page, O, 2, [event(page, close, 2000)]);
  await queue.acked(2000);
  await queue.append("q", O, 1, [event("q", open, 3000)]);
  const known = await loaded(disk);
  assert.equal(pages.filter((page) => known.note(page) !== undefined).length, 500 + 600);
  assert.ok(pages.slice(600).every((page) => known.introduction(page).length === 1));
});
