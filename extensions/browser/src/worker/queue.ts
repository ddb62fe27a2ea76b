/**
 * Events on their way to the bridge, numbered, until it says that they are durable.
 *
 * They lie in IndexedDB, so that neither the worker's death nor the browser's end loses one; a page's batch is written
 * in one transaction with its number, so that a batch that is sent twice is taken once. The memory holds the same rows.
 */

import type { WireBody, WireEvent } from "../shared/wire.ts";

/** Rows at most: an hour of busy work without a bridge. What comes beyond is counted in a gap. */
export const MAX_ROWS = 20_000;
/** Pages that are closed and still remembered, so that a batch sent twice is taken once. */
const MAX_CLOSED = 500;
/** Pages that are remembered at most: those that are open introduce themselves to each new bridge, frames included. */
const MAX_PAGES = 2500;

export interface Row {
  seq: number;
  origin: string;
  event: WireEvent;
}

/** What is known of a page: the last batch taken, and how it last introduced itself. */
export interface PageNote {
  page: string;
  origin: string;
  batch: number;
  open: WireEvent | null;
  closed: boolean;
  seen: number;
}

export interface Introduction {
  page: string;
  url: string;
  open: WireBody;
}

export interface Change {
  put: Row[];
  remove: readonly number[];
  notes: PageNote[];
  forget: string[];
  next: number;
}

/** What lay on the disk; `next` is null where nothing was ever written down. */
export interface Kept {
  rows: Row[];
  notes: PageNote[];
  next: number | null;
}

/** Where the rows lie. The contract: what `commit` returned from is there at the next `load`, all or nothing. */
export interface Disk {
  load(): Promise<Kept>;
  commit(change: Change): Promise<void>;
}

export class Queue {
  #rows: Row[] = [];
  #notes = new Map<string, PageNote>();
  #next = 1;
  /** What changed since it was written down: by number and by page, null for what is gone. */
  #newRows = new Map<number, Row | null>();
  #newNotes = new Map<string, PageNote | null>();
  #writing: Promise<void> = Promise.resolve();
  /** The write that takes what is new, until it begins. */
  #write: Promise<void> | null = null;

  constructor(
    readonly disk: Disk,
    readonly maxRows: number = MAX_ROWS,
  ) {}

  /**
   * Reads what lies on the disk. Where that is nothing, `begin` is called before the first number is given: the browser may
   * throw a database away, and numbers that begin anew would be taken for those that the bridge had already.
   */
  async load(begin: () => Promise<void>): Promise<void> {
    const { rows, notes, next } = await this.disk.load();
    this.#rows = rows.sort((one, two) => one.seq - two.seq);
    this.#notes = new Map(notes.map((note) => [note.page, note]));
    this.#next = Math.max(next ?? 1, (this.#rows.at(-1)?.seq ?? 0) + 1);
    if (next !== null) return;
    await begin();
    await this.#written();
  }

  get length(): number {
    return this.#rows.length;
  }

  note(page: string): PageNote | undefined {
    return this.#notes.get(page);
  }

  /** Gives rows after a number, without a gap between theirs: at most so many, and so many characters of JSON. */
  after(seq: number, most: number, characters: number): Row[] {
    const start = this.#rows.findIndex((row) => row.seq > seq);
    const taken: Row[] = [];
    let size = 0;
    for (let at = start; at >= 0 && at < this.#rows.length && taken.length < most; at += 1) {
      const row = this.#rows[at];
      if (row === undefined) break;
      size += JSON.stringify(row.event).length;
      const next = (taken.at(-1)?.seq ?? row.seq - 1) + 1;
      if (taken.length > 0 && (size > characters || row.seq !== next)) break;
      taken.push(row);
    }
    return taken;
  }

  /** Gives every row that waits. */
  get waiting(): readonly Row[] {
    return this.#rows;
  }

  /**
   * Writes a page's batch down; false if it was taken before. `batch` 0 is the worker's own. Numbers are given at once,
   * in the order of the calls; either answer says that the batch is durable.
   */
  async append(page: string, origin: string, batch: number, events: readonly WireEvent[]): Promise<boolean> {
    const before = this.#notes.get(page);
    if (batch > 0 && before !== undefined && batch <= before.batch) {
      await this.#written();
      return false;
    }
    for (const event of events) {
      const row = this.#rows.length < this.maxRows ? this.#added(origin, event) : this.#full(origin, event);
      this.#newRows.set(row.seq, row);
    }
    const introduced = events.findLast(
      ({ body }) => body.kind === "page.open" || body.kind === "page.navigate",
    );
    const open =
      introduced === undefined ? (before?.open ?? null) : introduce(before?.open ?? null, introduced);
    const note = {
      page,
      origin,
      batch: Math.max(batch, before?.batch ?? 0),
      open,
      closed: events.some(({ body }) => body.kind === "page.close"),
      seen: events.at(-1)?.wall_ms ?? 0,
    };
    this.#notes.set(page, note);
    this.#newNotes.set(page, note);
    this.#forgetOld();
    await this.#written();
    return true;
  }

  /** Removes what the bridge has made durable. */
  async acked(seq: number): Promise<void> {
    this.#next = Math.max(this.#next, seq + 1);
    await this.drop((row) => row.seq <= seq);
  }

  /** Gives how a page introduces itself to a bridge that does not know it, behind the page that it is a frame of. */
  introduction(page: string): Introduction[] {
    const note = this.#notes.get(page);
    if (!note?.open) return [];
    const { body } = note.open;
    const parent = body.kind === "page.open" && body.parent !== null ? this.introduction(body.parent) : [];
    return [...parent, { page, url: note.origin, open: body }];
  }

  /** Takes out what answers to `unwanted`. Numbers are never given twice: what is taken out leaves its number free. */
  async drop(unwanted: (row: Row) => boolean): Promise<number> {
    const gone = this.#rows.filter(unwanted);
    this.#rows = this.#rows.filter((row) => !unwanted(row));
    for (const row of gone) this.#newRows.set(row.seq, null);
    if (gone.length > 0) await this.#written();
    return gone.length;
  }

  #added(origin: string, event: WireEvent): Row {
    const row = { seq: this.#next, origin, event };
    this.#next += 1;
    this.#rows.push(row);
    return row;
  }

  /** Counts an event for which there is no room in the gap at the end, which stands in its place. */
  #full(origin: string, event: WireEvent): Row {
    const lost = event.body.kind === "capture.gap" ? event.body.count : 1;
    const last = this.#rows.at(-1);
    if (last?.event.page === event.page && last.event.body.kind === "capture.gap") {
      const body = { ...last.event.body, count: last.event.body.count + lost };
      const row = { ...last, event: { ...last.event, body } };
      this.#rows[this.#rows.length - 1] = row;
      return row;
    }
    return this.#added(origin, {
      ...gapless(event),
      body: { kind: "capture.gap", count: lost, reason: "queue-full" },
    });
  }

  /** Forgets pages: the closed first, those that were heard of longest ago before the others. */
  #forgetOld(): void {
    if (this.#notes.size <= MAX_CLOSED) return;
    const closed = [...this.#notes.values()].filter((note) => note.closed).length;
    const tooMany = Math.max(closed - MAX_CLOSED, this.#notes.size - MAX_PAGES);
    if (tooMany <= 0) return;
    const waiting = new Set(this.#rows.map((row) => row.event.page));
    const old = [...this.#notes.values()]
      .filter((note) => !waiting.has(note.page))
      .sort((one, two) => Number(two.closed) - Number(one.closed) || one.seen - two.seen)
      .slice(0, tooMany);
    for (const { page } of old) {
      this.#notes.delete(page);
      this.#newNotes.set(page, null);
    }
  }

  /** Waits until all that changed is written down: together, where a write is under way; again, where one failed. */
  #written(): Promise<void> {
    this.#write ??= this.#writing
      .catch(() => undefined)
      .then(() => {
        this.#write = null;
        this.#writing = this.#writeNew();
        return this.#writing;
      });
    return this.#write;
  }

  async #writeNew(): Promise<void> {
    const [rows, notes] = [this.#newRows, this.#newNotes];
    [this.#newRows, this.#newNotes] = [new Map(), new Map()];
    try {
      await this.disk.commit({
        put: [...rows.values()].filter((row) => row !== null),
        remove: [...rows.keys()].filter((seq) => rows.get(seq) === null),
        notes: [...notes.values()].filter((note) => note !== null),
        forget: [...notes.keys()].filter((page) => notes.get(page) === null),
        next: this.#next,
      });
    } catch (error) {
      this.#newRows = new Map([...rows, ...this.#newRows]);
      this.#newNotes = new Map([...notes, ...this.#newNotes]);
      throw error;
    }
  }
}

function gapless(event: WireEvent): WireEvent {
  const { page, wall_ms, mono_ms } = event;
  return { page, wall_ms, mono_ms, body: event.body };
}

/** Keeps how a page would introduce itself now: as it opened, at the place where it is. */
function introduce(before: WireEvent | null, event: WireEvent): WireEvent {
  const { body } = event;
  if (body.kind !== "page.navigate" || before?.body.kind !== "page.open") return event;
  return { ...before, body: { ...before.body, route: body.route, title: body.title } };
}
