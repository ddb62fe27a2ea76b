/** Follows the pointer: its trail, clicks, scrolling. */

import { asSteps, type Point, simplify } from "../shared/trail.ts";
import { targetOf } from "./deep.ts";
import { raised } from "./element.ts";
import { localNameOf } from "./own.ts";
import type { Recorder } from "./recorder.ts";

/** Twenty points a second tell the way; between them a hand hardly turns. In milliseconds. */
const SAMPLE_MS = 50;
/** Points closer to the line than this are left out, in pixels. */
const TOLERANCE = 3;
/** A rest of so long ends a trail, in milliseconds. */
const REST_MS = 1000;
/** A trail is written down with so many samples at the latest: four seconds; the schema allows 400. */
const MAX_SAMPLES = 80;

export function followPointer(recorder: Recorder): void {
  if (recorder.wants("pointer.trail")) followTrail(recorder);
  if (recorder.wants("pointer.click")) followClicks(recorder);
  if (recorder.wants("scroll")) followScroll(recorder);
}

interface Sample {
  event: PointerEvent;
  on: Element;
}

/** A sample only notes where the pointer is; what that was on is asked for a whole trail at once. */
function followTrail(recorder: Recorder): void {
  let samples: Sample[] = [];
  let before: { target: EventTarget | null; on: Element } | null = null;
  const onOf = (event: Event): Element => {
    const { target } = event;
    // What carries no tree of the page's own is what it was at the last sample.
    if (target === before?.target && target === before?.on) return before.on;
    const on = targetOf(event, event as MouseEvent);
    before = { target, on };
    return on;
  };
  const write = (): void => {
    const all = samples;
    samples = [];
    before = null;
    const points = openOf(recorder, all);
    const end = points.at(-1);
    if (end !== undefined)
      recorder.emit({ kind: "pointer.trail", points: asSteps(simplify(points, TOLERANCE)) }, end.t);
  };
  const isOver = (now: number): boolean => now - (samples.at(-1)?.event.timeStamp ?? now) >= REST_MS;
  recorder.follow({ write, isOpen: () => samples.length > 0, isOver });
  recorder.onSampled(window, "pointermove", SAMPLE_MS, (event) => {
    if (isOver(event.timeStamp)) write();
    samples.push({ event: event as PointerEvent, on: onOf(event) });
    if (samples.length === 1) recorder.begun();
    else if (samples.length >= MAX_SAMPLES) write();
  });
}

/** Leaves out what was on a private or secret element, or on one that is gone and can't be asked. */
function openOf(recorder: Recorder, samples: readonly Sample[]): Point[] {
  const asked = new Map<Element, boolean>();
  const open = samples.filter(({ on }) => {
    const may = asked.get(on) ?? (on.isConnected && recorder.mayLook(on));
    asked.set(on, may);
    return may;
  });
  return open.map(({ event }) => ({ t: event.timeStamp, x: event.clientX, y: event.clientY }));
}

function followClicks(recorder: Recorder): void {
  recorder.on(window, ["pointerdown"], (event) => {
    const target = targetOf(event, event as MouseEvent);
    recorder.enter(target);
    recorder.secrets.beforeClick(target, performance.now());
  });
  recorder.on(window, ["click", "auxclick"], (event) => {
    const target = targetOf(event, (event as MouseEvent).detail > 0 ? (event as MouseEvent) : undefined);
    recorder.enter(target);
    const write = (): void => writeClick(recorder, event as MouseEvent, target);
    // What was chosen in a list has yet to be drawn.
    if (localNameOf(target) === "option") recorder.whenReady(target, write);
    else write();
  });
}

function writeClick(recorder: Recorder, event: MouseEvent, target: Element): void {
  if (!recorder.mayLook(target)) return;
  const { clientX, clientY, button, detail } = event;
  const meant = raised(target);
  recorder.settle();
  recorder.acted(meant);
  const element = recorder.about("pointer.click", meant);
  const byKey = detail === 0;
  recorder.emit({
    kind: "pointer.click",
    element,
    x: byKey ? 0 : Math.round(clientX) - element.box[0],
    y: byKey ? 0 : Math.round(clientY) - element.box[1],
    button: Math.min(Math.max(button, 0), 4),
    count: Math.min(detail, 3),
    modifiers: modifiersOf(event),
  });
}

function modifiersOf(event: MouseEvent): number {
  return (
    (event.altKey ? 1 : 0) + (event.ctrlKey ? 2 : 0) + (event.metaKey ? 4 : 0) + (event.shiftKey ? 8 : 0)
  );
}

function followScroll(recorder: Recorder): void {
  recorder.on(window, ["scrollend"], ({ target }) => {
    if (target instanceof Element) recorder.whenReady(target, () => writeScroll(recorder, target));
    else if (target !== null) writeScroll(recorder, target);
  });
}

function writeScroll(recorder: Recorder, target: EventTarget): void {
  if (target instanceof Document) {
    recorder.emit({ kind: "scroll", x: Math.round(scrollX), y: Math.round(scrollY), element: null });
  } else if (target instanceof Element && target.isConnected && recorder.mayLook(target)) {
    const element = recorder.about("scroll", target);
    recorder.emit({
      kind: "scroll",
      x: Math.round(target.scrollLeft),
      y: Math.round(target.scrollTop),
      element,
    });
  }
}
