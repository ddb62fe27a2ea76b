/** What our own windows ask the worker, and what it tells them. */

import type { State } from "./wire.ts";

export type Ask =
  | { ask: "overview"; tab: number | null }
  | { ask: "request"; method: "pause" | "resume" | "forget" | "today" | "review"; params: object }
  | { ask: "answer"; study: string; version: number; origin: string; yes: boolean }
  | { ask: "pair"; code: string }
  | { ask: "retry" };

export interface Overview {
  connected: boolean;
  trouble: { code: string; message: string } | null;
  state: State | null;
  answers: Record<string, Record<string, "yes" | "no">>;
  tab: { origin: string; capturing: boolean; refused: string | null } | null;
  waiting: number;
}

export type Told<T> = { value: T } | { error: { code: string; message: string; hint: string } };
