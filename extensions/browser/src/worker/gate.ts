/** The second gate: whether a page may be captured now, and at which levels. Pure; asked at every message. */

import { higher } from "../shared/levels.ts";
import { originMatches } from "../shared/origins.ts";
import type { Kind, Level, Levels, State, Study } from "../shared/wire.ts";

/** So long the bridge may be away before nothing more is captured, in milliseconds: it restarts in a second or two. */
export const GRACE_MS = 60_000;

/** What a person answered in our own window, by study with version and origin as the study names it. */
export type Answers = Record<string, Record<string, "yes" | "no">>;

export interface Question {
  origin: string | null;
  incognito: boolean;
  /** What the browser itself says of its permission, asked since the message came. */
  permitted: boolean;
  state: State | null;
  /** When the bridge was last heard, Unix time in milliseconds. */
  heardAt: number;
  answers: Answers;
  now: number;
}

export type Refusal =
  | "incognito"
  | "no-site"
  | "no-bridge"
  | "paused"
  | "off"
  | "not-in-a-study"
  | "not-agreed"
  | "no-permission";

export type Decision =
  | { allowed: true; levels: Levels; secretFields: string[]; studies: string[] }
  | { allowed: false; code: Refusal };

/** Gives the key under which answers about a study are kept: another version asks again. */
export function studyKey(study: Study): string {
  return `${study.study}@${study.version}`;
}

/** Says whether a study takes events now, as far as the bridge told. */
export function isLive(study: Study, now: number): boolean {
  return study.live && study.refusal === null && study.end_ms > now;
}

export function decide(question: Question): Decision {
  const { origin, state, now } = question;
  if (question.incognito) return refuse("incognito");
  if (origin === null) return refuse("no-site");
  // Heard in time to come: the clock was set back since, and no one knows how long ago it was.
  if (state === null || Math.abs(now - question.heardAt) > GRACE_MS) return refuse("no-bridge");
  if (state.capture !== "capturing") return refuse(state.capture === "paused" ? "paused" : "off");
  const named = state.studies.filter((study) => isLive(study, now) && namesFor(study, origin).length > 0);
  if (named.length === 0) return refuse("not-in-a-study");
  const agreed = named.filter((study) => isAgreed(study, origin, question.answers));
  if (agreed.length === 0) return refuse("not-agreed");
  if (!question.permitted) return refuse("no-permission");
  return {
    allowed: true,
    levels: levelsOf(agreed),
    secretFields: [...new Set(agreed.flatMap((study) => study.secret_fields))].sort(),
    studies: agreed.map((study) => study.study).sort(),
  };
}

function refuse(code: Refusal): Decision {
  return { allowed: false, code };
}

function namesFor(study: Study, origin: string): string[] {
  return study.origins.filter((named) => originMatches(named, origin));
}

function isAgreed(study: Study, origin: string, answers: Answers): boolean {
  const given = answers[studyKey(study)] ?? {};
  return namesFor(study, origin).some((named) => given[named] === "yes");
}

/** Where several studies ask, the highest level goes to the gate, which lowers it for each of them. */
function levelsOf(studies: readonly Study[]): Levels {
  const levels: Levels = {};
  for (const study of studies) {
    for (const [kind, level] of Object.entries(study.levels) as [Kind, Level][]) {
      levels[kind] = higher(levels[kind], level);
    }
  }
  return levels;
}
