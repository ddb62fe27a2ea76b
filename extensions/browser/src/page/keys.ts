/** Follows the rhythm of typing: when a key came and of which class; never which. And the clipboard: that, never what. */

import type { ClipboardAction } from "../shared/events.ts";
import { shadowOf, targetOf } from "./deep.ts";
import { own } from "./own.ts";
import type { Recorder } from "./recorder.ts";

/** A pause of so long ends a run, in milliseconds. */
const PAUSE_MS = 1500;
/** For so long a field is not asked about again, in milliseconds. */
const ASKED_MS = 500;
/** Keys of one run; the schema allows 1,000. */
const MAX_KEYS = 200;

const NAVIGATION = /^(?:Arrow|Home$|End$|Page)/;
const MODIFIER = /^(?:Shift|Control|Alt|AltGraph|Meta|CapsLock|NumLock|Fn|OS)$/;
const CLASSES: Record<string, string> = { Backspace: "d", Delete: "d", Enter: "e", Tab: "t" };

export function followKeys(recorder: Recorder): void {
  if (recorder.wants("key.rhythm")) followRhythm(recorder);
  if (recorder.wants("clipboard")) followClipboard(recorder);
}

function followRhythm(recorder: Recorder): void {
  let keys = "";
  let intervals: number[] = [];
  let field: Element | null = null;
  let last = 0;
  const write = (): void => {
    const run = { field, keys, intervals };
    keys = "";
    intervals = [];
    field = null;
    if (run.field === null || run.keys === "" || !run.field.isConnected || !recorder.mayKeep(run.field))
      return;
    const element = recorder.about("key.rhythm", run.field);
    const body = { kind: "key.rhythm", element, keys: run.keys, intervals: run.intervals } as const;
    recorder.emit(body, last, run.field);
  };
  const isOver = (now: number): boolean => now - last >= PAUSE_MS;
  recorder.follow({ write, isOpen: () => keys !== "", isOver });
  recorder.on(window, ["focusout"], () => {
    if (field !== null) recorder.whenReady(field, write);
  });
  // A run of keys goes to one field: that it may be looked at is asked in full now and then, and at its end.
  let asked = { target: null as EventTarget | null, about: null as Element | null, at: 0 };
  const aboutOf = (event: Event): Element | null => {
    const { target, timeStamp } = event;
    // Within a shadow tree the focus moves on without another target.
    const isKnown = target === asked.target && timeStamp - asked.at <= ASKED_MS;
    if (!isKnown || (target instanceof Element && shadowOf(target) !== null)) {
      const element = targetOf(event);
      recorder.enter(element);
      const about = recorder.secrets.fieldOf(element) ?? element;
      asked = { target, about: recorder.mayLook(about) ? about : null, at: timeStamp };
    }
    return asked.about === null || recorder.secrets.hasTurned(asked.about) ? null : asked.about;
  };
  recorder.on(window, ["keydown"], (event) => {
    const sign = classOf(event as KeyboardEvent);
    if (sign === null) return;
    const about = aboutOf(event);
    if (about === null) return;
    const { timeStamp } = event;
    if (about !== field || keys.length >= MAX_KEYS || isOver(timeStamp)) write();
    if (keys === "") recorder.begun();
    intervals.push(keys === "" ? 0 : Math.max(0, Math.round(timeStamp - last)));
    keys += sign;
    field = about;
    last = timeStamp;
  });
}

function classOf(event: KeyboardEvent): string | null {
  const { key } = event;
  const oneSign = key.length === 1;
  if (!oneSign && MODIFIER.test(key)) return null;
  if ((event.ctrlKey || event.altKey || event.metaKey) && !event.getModifierState("AltGraph")) return "m";
  if (oneSign) return "c";
  if (NAVIGATION.test(key)) return "n";
  return CLASSES[key] ?? (Array.from(key).length === 1 ? "c" : "o");
}

function followClipboard(recorder: Recorder): void {
  recorder.on(window, ["copy", "cut", "paste"], (event) => {
    const target = targetOf(event);
    const about = recorder.secrets.fieldOf(target) ?? target;
    if (!recorder.mayLook(about)) return;
    const element = about === own("body") ? null : recorder.about("clipboard", about);
    recorder.settle();
    recorder.emit({ kind: "clipboard", action: event.type as ClipboardAction, element });
  });
}
