/** Follows the rhythm of typing: when a key came and of which class; never which. And the clipboard: that, never what. */

import type { ClipboardAction } from "../shared/events.ts";
import { targetOf } from "./deep.ts";
import type { Recorder } from "./recorder.ts";

/** A pause of so long ends a run, in milliseconds. */
const PAUSE_MS = 1500;
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
  let timer: ReturnType<typeof setTimeout> | undefined;
  const write = (): void => {
    clearTimeout(timer);
    timer = undefined;
    // A field may have turned out to be secret since.
    if (field !== null && keys !== "" && field.isConnected && recorder.mayLook(field)) {
      recorder.emit(
        { kind: "key.rhythm", element: recorder.about("key.rhythm", field), keys, intervals },
        last,
      );
    }
    keys = "";
    intervals = [];
    field = null;
  };
  recorder.beforeOthers(write);
  recorder.on(window, ["focusout"], write);
  recorder.on(window, ["keydown"], (event) => {
    const sign = classOf(event as KeyboardEvent);
    if (sign === null) return;
    const target = targetOf(event);
    recorder.enter(target);
    const about = recorder.secrets.fieldOf(target) ?? target;
    if (!recorder.mayLook(about)) return;
    if (about !== field || keys.length >= MAX_KEYS) write();
    intervals.push(keys === "" ? 0 : Math.max(0, Math.round(event.timeStamp - last)));
    keys += sign;
    field = about;
    last = event.timeStamp;
    clearTimeout(timer);
    timer = recorder.later(write, PAUSE_MS);
  });
}

function classOf(event: KeyboardEvent): string | null {
  const { key } = event;
  if (MODIFIER.test(key)) return null;
  if ((event.ctrlKey || event.altKey || event.metaKey) && !event.getModifierState("AltGraph")) return "m";
  if (NAVIGATION.test(key)) return "n";
  return CLASSES[key] ?? (Array.from(key).length === 1 ? "c" : "o");
}

function followClipboard(recorder: Recorder): void {
  recorder.on(window, ["copy", "cut", "paste"], (event) => {
    const target = targetOf(event);
    const about = recorder.secrets.fieldOf(target) ?? target;
    if (!recorder.mayLook(about)) return;
    const element = about === document.body ? null : recorder.about("clipboard", about);
    recorder.settle();
    recorder.emit({ kind: "clipboard", action: event.type as ClipboardAction, element });
  });
}
