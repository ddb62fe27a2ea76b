/** Regions that the page marks as private: for overt, or for other recorders. Nothing from within is looked at. */

import { namesSecret } from "../shared/secret_names.ts";
import { Noted } from "./call.ts";
import { closestDeep, parentOf, slotOf } from "./deep.ts";
import { fits, hasAny, holdsMore, parentElementOf } from "./own.ts";
import { attributesOf } from "./telling.ts";

/** Ours, and the marks by which pages ask rrweb, PostHog, Sentry, OpenReplay, Clarity and others to hide a region. */
const PRIVATE = [
  "[data-overt-private]",
  ".rr-block",
  ".rr-mask",
  ".rr-ignore",
  ".ph-no-capture",
  ".ph-mask",
  ".ph-sensitive",
  ".ph-ignore-input",
  "[data-sentry-block]",
  "[data-sentry-mask]",
  "[data-sentry-ignore]",
  ".sentry-block",
  ".sentry-mask",
  ".sentry-ignore",
  "[data-openreplay-hidden]",
  "[data-openreplay-obscured]",
  "[data-openreplay-masked]",
  "[data-clarity-mask]:not([data-clarity-mask=false i])",
  "[data-hj-suppress]",
  "[data-dd-privacy=hidden]",
  "[data-dd-privacy^=mask]",
  ".dd-privacy-hidden",
  ".dd-privacy-mask",
  "[data-fs-element=exclude]",
  ".fs-exclude",
  ".fs-mask",
  ".amp-block",
  ".amp-mask",
  ".highlight-block",
  ".highlight-mask",
  "[data-private]:not([data-private=false i])",
].join(",");

const noted = new Noted<boolean>();
/** What is shown in no slot is remembered for so long, in milliseconds. */
const FRESH_MS = 5000;
const slotless = new WeakMap<Element, number>();

/** Says whether an element lies in a private region of its document. Who asks of one mostly asks of those beside it too. */
export function isPrivate(element: Element): boolean {
  const known = noted.get(element);
  if (known !== undefined) return known;
  const above = parentOf(element);
  const isOpenAbove = above !== null && noted.get(above) === false;
  const found = isOpenAbove
    ? isMarkedPrivate(element) || isShownInPrivate(element)
    : closestDeep(element, PRIVATE) !== null || isShownInPrivate(element);
  noted.set(element, found);
  if (!found && !isOpenAbove) noteOpen(parentElementOf(element));
  return found;
}

/** Where nothing private is found from an element up, nothing is from those above it in its tree. */
function noteOpen(from: Element | null): void {
  for (let at = from; at !== null && noted.get(at) === undefined; at = parentElementOf(at))
    noted.set(at, false);
}

/** Says whether a component shows an element that was put into it in a private region of the component's own. */
function isShownInPrivate(element: Element): boolean {
  const now = performance.now();
  const climbed: Element[] = [];
  for (let at: Element | null = element; at !== null && (slotless.get(at) ?? 0) <= now; at = parentOf(at)) {
    const slot = slotOf(at);
    if (slot === null) climbed.push(at);
    else if (slot.closest(PRIVATE) !== null || isShownInPrivate(slot)) return true;
    else break;
  }
  for (const each of climbed) slotless.set(each, now + FRESH_MS);
  return false;
}

/** Says whether there is a private region within an element. */
export function holdsPrivate(element: Element): boolean {
  return element.querySelector(PRIVATE) !== null;
}

/** Says whether an element itself is marked; for walks that come from above. Every mark is an attribute. */
export function isMarkedPrivate(element: Element): boolean {
  return hasAny(element) && fits(element, PRIVATE);
}

/** A frame that is no higher takes one field: how shops take a card's number. In pixels. */
const MAX_OF_FIELD = 100;
/** Elements in what stands before it as its label. */
const MAX_IN_LABEL = 8;
const MAX_STEPS = 3;
/** A longer text is a sentence. */
const MAX_LABEL = 40;

const notedFrames = new Noted<boolean>();

/** Says whether a frame is named as a secret, or, where it has room for a single field, what stands before it is. */
function isOfSecret(frame: Element): boolean {
  let found = notedFrames.get(frame);
  if (found === undefined) {
    const names = [...attributesOf(frame), frame.clientHeight <= MAX_OF_FIELD ? textBefore(frame) : ""];
    found = names.some(namesSecret);
    notedFrames.set(frame, found);
  }
  return found;
}

function textBefore(frame: Element): string {
  let at: Element | null = frame;
  for (let step = 0; at !== null && step < MAX_STEPS; step += 1) {
    const before: Element | null = at.previousElementSibling;
    if (before !== null && holdsMore(before, MAX_IN_LABEL)) return "";
    const text = before?.textContent?.trim() ?? "";
    if (text !== "") return text.length <= MAX_LABEL ? text : "";
    if (before !== null) return "";
    at = parentElementOf(at);
  }
  return "";
}

/** Says whether this document is a frame in a private region, or for a secret. What can't be seen across origins is not. */
export function frameIsPrivate(): boolean {
  try {
    let view: Window = window;
    while (view.frameElement) {
      if (isPrivate(view.frameElement) || isOfSecret(view.frameElement)) return true;
      view = view.parent;
    }
  } catch {
    // A frame of another origin: its embedder can't be asked, and was granted by itself.
  }
  return false;
}
