/** Follows the pointer: its trail, clicks, scrolling. */

import { asSteps, type Point, simplify } from "../shared/trail.ts";
import { targetOf } from "./deep.ts";
import { raised } from "./element.ts";
import type { Recorder } from "./recorder.ts";

/** Twenty points a second tell the way; between them a hand hardly turns. In milliseconds. */
const SAMPLE_MS = 50;
/** Points closer to the line than this are left out, in pixels. */
const TOLERANCE = 3;
/** The schema's limit. */
const MAX_POINTS = 400;
/** A rest of so long ends a trail, in milliseconds. */
const REST_MS = 1000;
/** Scrolling is written down when it rests for so long, in milliseconds. */
const SCROLL_REST_MS = 200;

export function followPointer(recorder: Recorder): void {
  if (recorder.wants("pointer.trail")) followTrail(recorder);
  if (recorder.wants("pointer.click")) followClicks(recorder);
  if (recorder.wants("scroll")) followScroll(recorder);
}

function followTrail(recorder: Recorder): void {
  let points: Point[] = [];
  let last = Number.NEGATIVE_INFINITY;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const write = (): void => {
    clearTimeout(timer);
    timer = undefined;
    const end = points.at(-1);
    if (end !== undefined)
      recorder.emit({ kind: "pointer.trail", points: asSteps(simplify(points, TOLERANCE)) }, end.t);
    points = [];
  };
  recorder.beforeOthers(write);
  recorder.on(window, ["pointermove"], (event) => {
    const { timeStamp, clientX, clientY } = event as PointerEvent;
    if (timeStamp - last < SAMPLE_MS) return;
    last = timeStamp;
    const target = event.composedPath()[0];
    if (!(target instanceof Element) || !recorder.mayLook(target)) return;
    points.push({ t: timeStamp, x: clientX, y: clientY });
    timer ??= recorder.later(() => {
      timer = undefined;
      if (performance.now() - last >= REST_MS || points.length >= MAX_POINTS) write();
      else timer = recorder.later(write, REST_MS);
    }, REST_MS);
    if (points.length >= MAX_POINTS) write();
  });
}

function followClicks(recorder: Recorder): void {
  recorder.on(window, ["pointerdown"], (event) => {
    const target = targetOf(event, pointOf(event));
    recorder.enter(target);
    recorder.secrets.beforeClick(target, performance.now());
  });
  recorder.on(window, ["click", "auxclick"], (event) => {
    const { clientX, clientY, button, detail } = event as MouseEvent;
    const target = targetOf(event, detail > 0 ? pointOf(event) : undefined);
    recorder.enter(target);
    if (!recorder.mayLook(target)) return;
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
      modifiers: modifiersOf(event as MouseEvent),
    });
  });
}

function pointOf(event: Event): { x: number; y: number } {
  const { clientX, clientY } = event as MouseEvent;
  return { x: clientX, y: clientY };
}

function modifiersOf(event: MouseEvent): number {
  return (
    (event.altKey ? 1 : 0) + (event.ctrlKey ? 2 : 0) + (event.metaKey ? 4 : 0) + (event.shiftKey ? 8 : 0)
  );
}

function followScroll(recorder: Recorder): void {
  const timers = new Map<EventTarget, ReturnType<typeof setTimeout>>();
  recorder.on(window, ["scroll"], (event) => {
    const target = event.target;
    if (target === null) return;
    clearTimeout(timers.get(target));
    const rest = recorder.later(() => {
      timers.delete(target);
      writeScroll(recorder, target);
    }, SCROLL_REST_MS);
    timers.set(target, rest);
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
