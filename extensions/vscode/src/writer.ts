// Writes each message in one piece: the library's own writer takes two, and the sidecar would wake up for each.

import type { Writable } from "node:stream";
import { AbstractMessageWriter, type Message, type MessageWriter } from "vscode-languageclient/node";

export class WholeWriter extends AbstractMessageWriter implements MessageWriter {
  private failures = 0;

  constructor(private readonly stream: Writable) {
    super();
    stream.on("error", (error) => this.fireError(error));
    stream.on("close", () => this.fireClose());
  }

  write(message: Message): Promise<void> {
    const body = Buffer.from(JSON.stringify(message), "utf8");
    const head = Buffer.from(`Content-Length: ${body.byteLength}\r\n\r\n`, "ascii");
    return new Promise((resolve, reject) => {
      this.stream.write(Buffer.concat([head, body]), (error) => {
        if (!error) {
          this.failures = 0;
          resolve();
          return;
        }
        this.failures += 1;
        this.fireError(error, message, this.failures);
        reject(error);
      });
    });
  }

  end(): void {
    this.stream.end();
  }
}
