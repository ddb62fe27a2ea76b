/** What is found out in one call of the browser into our script: the page can't change while it lasts. */

const ENDS = Promise.resolve();
const all: Noted<unknown>[] = [];
let ending = false;

/** Answers about elements, forgotten when the call ends. */
export class Noted<Answer> {
  readonly #answers = new Map<Element, Answer>();

  constructor() {
    all.push(this);
  }

  get(element: Element): Answer | undefined {
    return this.#answers.get(element);
  }

  set(element: Element, answer: Answer): void {
    this.#answers.set(element, answer);
    if (ending) return;
    ending = true;
    // A promise asks less of the browser than `queueMicrotask`.
    void ENDS.then(callBegins);
  }

  forget(): void {
    this.#answers.clear();
  }
}

/** Forgets all answers: said also where a call begins, for a page that runs between two without giving way. */
export function callBegins(): void {
  if (!ending) return;
  ending = false;
  for (const each of all) each.forget();
}
