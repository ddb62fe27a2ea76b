// Writes messages in one piece: the library's own writer takes two for each, and the sidecar would wake up for both.
// Keys wait a moment and go together, each with its time: to be woken costs the sidecar more than a key does.

import type { Writable } from "node:stream";
import { AbstractMessageWriter, type Message, type MessageWriter } from "vscode-jsonrpc/node";

/** The first key of a row waits so long. */
const ROW_MS = 960;
/** A row that grows past so much is no typing, and goes at once. */
const ROW_BYTES = 6144;

/** What may wait; everything else goes at once, behind what waits. */
const WAITS = new Set(["textDocument/didChange", "overt/selection", "overt/viewport", "overt/completionAccepted"]);

interface Waiting {
  readonly message: Message;
  readonly bytes: Buffer;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class RowWriter extends AbstractMessageWriter implements MessageWriter {
  private failures = 0;
  private row: Waiting[] = [];
  private rowBytes = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly stream: Writable) {
    super();
    stream.on("error", (error) => this.fireError(error));
    stream.on("close", () => {
      clearTimeout(this.timer);
      this.fireClose();
    });
  }

  write(message: Message): Promise<void> {
    const body = Buffer.from(JSON.stringify(message), "utf8");
    const head = Buffer.from(`Content-Length: ${body.byteLength}\r\n\r\n`, "ascii");
    return new Promise((resolve, reject) => {
      this.row.push({ message, bytes: Buffer.concat([head, body]), resolve, reject });
      this.rowBytes += body.byteLength;
      if (!mayWait(message) || this.rowBytes > ROW_BYTES) this.release();
      else this.timer ??= setTimeout(() => this.release(), ROW_MS);
    });
  }

  end(): void {
    this.release();
    this.stream.end();
  }

  private release(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const row = this.row.splice(0);
    this.rowBytes = 0;
    const last = row.at(-1);
    if (last === undefined) return;
    this.stream.write(Buffer.concat(row.map((each) => each.bytes)), (error) => {
      if (!error) {
        this.failures = 0;
        for (const each of row) each.resolve();
        return;
      }
      this.failures += 1;
      this.fireError(error, last.message, this.failures);
      for (const each of row) each.reject(error);
    });
  }
}

function mayWait(message: Message): boolean {
  return "method" in message && typeof message.method === "string" && WAITS.has(message.method);
}
