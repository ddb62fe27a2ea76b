// What the sidecar says and takes; docs/PROTOCOL-LSP.md has the words.

export type State = "capturing" | "paused" | "off";

export interface Refusal {
  readonly code: string;
  readonly detail: string;
  readonly study: string | null;
}

export interface Study {
  readonly study: string;
  readonly title: string;
  readonly live: boolean;
  readonly offered: number;
  readonly durable: number;
  readonly sealed: number;
  readonly findings: number;
  /** What was found and is masked, by kind. */
  readonly masked: Readonly<Record<string, number>>;
  readonly documents: number;
}

export interface Status {
  readonly state: State;
  readonly reasons: readonly Refusal[];
  readonly studies: readonly Study[];
  readonly pausedUntilMs: number | null;
}

export interface Why {
  readonly captured: boolean;
  readonly refusals: readonly Refusal[];
}

export interface Forgotten {
  readonly events: number;
}

/** The status that the extension gives itself while no sidecar can. */
export function off(code: string, detail: string): Status {
  return { state: "off", reasons: [{ code, detail, study: null }], studies: [], pausedUntilMs: null };
}
