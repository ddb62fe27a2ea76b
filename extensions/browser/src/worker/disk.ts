/** The queue's place in IndexedDB. */

import type { Change, Disk, Kept, PageNote, Row } from "./queue.ts";

const NAME = "overt";
const VERSION = 1;

export class IndexedDisk implements Disk {
  #database: Promise<IDBDatabase> | null = null;

  async load(): Promise<Kept> {
    const database = await this.#open();
    const stores = database.transaction(["rows", "notes", "meta"], "readonly");
    const [rows, notes, next] = await Promise.all([
      result<Row[]>(stores.objectStore("rows").getAll()),
      result<PageNote[]>(stores.objectStore("notes").getAll()),
      result<number | undefined>(stores.objectStore("meta").get("next")),
    ]);
    return { rows, notes, next: next ?? null };
  }

  async commit(change: Change): Promise<void> {
    const database = await this.#open();
    // Removing may be repeated after a crash: the bridge says again what it has. Events may not be lost.
    const durability = change.put.length > 0 ? "strict" : "relaxed";
    const stores = database.transaction(["rows", "notes", "meta"], "readwrite", { durability });
    const rows = stores.objectStore("rows");
    for (const seq of change.remove) rows.delete(seq);
    for (const row of change.put) rows.put(row);
    for (const note of change.notes) stores.objectStore("notes").put(note);
    for (const page of change.forget) stores.objectStore("notes").delete(page);
    stores.objectStore("meta").put(change.next, "next");
    await new Promise<void>((resolve, reject) => {
      stores.oncomplete = () => resolve();
      stores.onabort = () => reject(stores.error);
      stores.onerror = () => reject(stores.error);
    });
  }

  #open(): Promise<IDBDatabase> {
    this.#database ??= new Promise((resolve, reject) => {
      const request = indexedDB.open(NAME, VERSION);
      request.onupgradeneeded = () => {
        request.result.createObjectStore("rows", { keyPath: "seq" });
        request.result.createObjectStore("notes", { keyPath: "page" });
        request.result.createObjectStore("meta");
      };
      request.onsuccess = () => {
        // The browser closes one whose data a person clears; what comes then goes into a new one.
        request.result.onclose = () => {
          this.#database = null;
        };
        resolve(request.result);
      };
      request.onerror = () => reject(request.error);
    });
    return this.#database;
  }
}

function result<T>(request: IDBRequest): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result as T);
    request.onerror = () => reject(request.error);
  });
}
