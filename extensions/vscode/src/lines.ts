// A document's text as its lines: what a change took out is known nowhere else once the editor tells of it.

export interface Place {
  readonly line: number;
  readonly character: number;
}

export interface Span {
  readonly start: Place;
  readonly end: Place;
}

export interface Change extends Span {
  readonly text: string;
}

/** Lines with their ends (LF, CR LF or CR), counted in UTF-16 as the editor counts. */
export class Lines {
  private lines: string[];

  constructor(text: string) {
    this.lines = split(text);
  }

  line(number: number): string {
    return this.lines[number] ?? "";
  }

  /** Replaces a span and gives what stood there. */
  apply(change: Change): string {
    const { start, end } = change;
    const first = this.line(start.line);
    const last = this.line(end.line);
    const taken =
      start.line === end.line
        ? first.slice(start.character, end.character)
        : first.slice(start.character) +
          this.lines.slice(start.line + 1, end.line).join("") +
          last.slice(0, end.character);
    const fresh = split(first.slice(0, start.character) + change.text + last.slice(end.character));
    // The text of the last line has no line end, and a split of what ends in one gives an empty line after it.
    if (end.line + 1 < this.lines.length && fresh.at(-1) === "") fresh.pop();
    this.lines.splice(start.line, end.line - start.line + 1, ...fresh);
    return taken;
  }

  text(): string {
    return this.lines.join("");
  }
}

function split(text: string): string[] {
  const lines: string[] = [];
  let from = 0;
  for (const found of text.matchAll(/\r\n|\r|\n/g)) {
    const to = found.index + found[0].length;
    lines.push(text.slice(from, to));
    from = to;
  }
  lines.push(text.slice(from));
  return lines;
}
