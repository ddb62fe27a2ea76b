/** Follows what is entered into forms: that a field changed, the class of what it holds, and that a form was sent. */

import { contentClass, lengthBucket, looksLikeCard, MAX_VALUE } from "../shared/classify.ts";
import type { FieldContent } from "../shared/events.ts";
import { targetOf } from "./deep.ts";
import { holdsMore } from "./own.ts";
import { holdsPrivate } from "./privates.ts";
import { formNumber, type Recorder } from "./recorder.ts";
import { isLongText, textIn } from "./telling.ts";
import { isShown } from "./visible.ts";

/** Elements in a rich text, and characters; more of them are read without their layout, as far as they are kept. */
const MAX_LAID_OUT = 500;
const MAX_TEXT_LAID_OUT = 50_000;

interface Entered {
  content: FieldContent;
  value: string;
  checked: boolean | null;
}

type Control = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;

const BY_TYPE: Record<string, FieldContent> = {
  date: "date",
  "datetime-local": "date",
  month: "date",
  week: "date",
  time: "date",
  number: "digits",
  range: "other",
  color: "other",
};

export function followFields(recorder: Recorder): void {
  const dirty = new Set<Element>();
  const write = (field: Element): void => {
    if (!dirty.delete(field)) return;
    listen();
    if (recorder.wants("field.change") && field.isConnected) writeChange(recorder, field);
  };
  const changed = (event: Event): void => {
    const target = targetOf(event);
    if (!isControl(target)) return;
    dirty.add(target);
    recorder.whenReady(target, () => {
      if (recorder.secrets.covers(target, event.timeStamp)) recorder.secrets.echoes.left(target);
      write(target);
    });
  };
  const submitted = (event: Event): void => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement)) return;
    for (const field of dirty) if (form.contains(field)) write(field);
    writeSubmit(recorder, form, (event as SubmitEvent).submitter);
  };
  // Of a field that is dirty the rest need not be heard, until another may be entered into.
  const listen = recorder.onUntil(window, "input", (event) => {
    const target = targetOf(event);
    recorder.enter(target);
    // What was chosen in a list is told by the change that follows at once.
    if (target instanceof HTMLSelectElement) return false;
    const field = recorder.secrets.fieldOf(target);
    if (field === null || !recorder.mayLook(field)) {
      if (field !== null && recorder.secrets.hasTurned(field)) recorder.secrets.echoes.typed(field);
      return false;
    }
    dirty.add(field);
    return field.getRootNode() === document;
  });
  recorder.on(window, ["change"], changed);
  recorder.on(window, ["submit"], submitted);
  recorder.on(window, ["focusout"], (event) => {
    listen();
    const { relatedTarget } = event as FocusEvent;
    if (relatedTarget instanceof Element) recorder.secrets.covers(relatedTarget, performance.now());
    for (const field of dirty) {
      if (isControl(field) && field.getRootNode() === document) continue;
      recorder.whenReady(field, () => write(field));
    }
  });
  recorder.onRoot((root) => {
    recorder.on(root, ["change"], changed);
    recorder.on(root, ["submit"], submitted);
  });
  recorder.beforeLeaving(() => {
    for (const field of dirty) write(field);
  });
}

function writeSubmit(recorder: Recorder, form: HTMLFormElement, submitter: HTMLElement | null): void {
  const about = submitter ?? form;
  if (!recorder.wants("form.submit") || !recorder.mayLook(about)) return;
  recorder.settle();
  recorder.emit({
    kind: "form.submit",
    element: recorder.about("form.submit", about),
    form: formNumber(form),
  });
  recorder.sink.flush();
}

function writeChange(recorder: Recorder, field: Element): void {
  if (!recorder.mayKeep(field)) return;
  const entered = isControl(field) ? enteredInto(field) : enteredAsText(field);
  if (entered === null || looksLikeCard(entered.value)) return;
  recorder.settle();
  const body = {
    kind: "field.change",
    element: recorder.about("field.change", field),
    length: lengthBucket(entered.content === "file" || entered.checked !== null ? "" : entered.value),
    ...entered,
    value: cut(entered.value),
    form: isControl(field) ? formNumber(field.form) : 0,
  } as const;
  // What is only ticked is no secret that a mask may come over.
  recorder.emit(body, performance.now(), entered.checked === null ? field : null);
}

function isControl(element: Element): element is Control {
  return (
    element instanceof HTMLInputElement ||
    element instanceof HTMLTextAreaElement ||
    element instanceof HTMLSelectElement
  );
}

function enteredInto(control: Control): Entered | null {
  if (control instanceof HTMLSelectElement) {
    return { content: "choice", value: chosenIn(control), checked: null };
  }
  const { type, value } = control;
  if (type === "hidden" || type === "password") return null;
  if (control instanceof HTMLInputElement && (type === "checkbox" || type === "radio")) {
    return { content: "toggle", value: "", checked: control.checked };
  }
  if (type === "file") return { content: "file", value: "", checked: null };
  const byType = value === "" ? "empty" : BY_TYPE[type];
  return { content: byType ?? contentClass(value), value, checked: null };
}

/** Gives what is chosen, one after the other, as far as it is kept: a list may have a hundred thousand. */
function chosenIn(list: HTMLSelectElement): string {
  let value = "";
  for (const { label } of list.selectedOptions) {
    value += value === "" ? label : `, ${label}`;
    if (value.length > MAX_VALUE) break;
  }
  return value;
}

function enteredAsText(element: Element): Entered {
  const hidden = holdsPrivate(element) || !isShown(element);
  const text = hidden ? "" : textOf(element);
  return { content: hidden ? "other" : contentClass(text), value: text, checked: null };
}

function textOf(element: Element): string {
  const isLarge = holdsMore(element, MAX_LAID_OUT) || isLongText(element, MAX_TEXT_LAID_OUT);
  if (!(element instanceof HTMLElement) || isLarge) return textIn(element, MAX_VALUE);
  return element.innerText;
}

function cut(value: string): string {
  const head = value.slice(0, MAX_VALUE);
  // Half of a pair is no character.
  return /[\uD800-\uDBFF]$/.test(head) ? head.slice(0, -1) : head;
}
