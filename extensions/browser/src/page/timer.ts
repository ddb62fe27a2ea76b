/** Timers that are set anew with every key and every move: the browser is asked only when their end is near. */

export class Timer {
  #due = Number.POSITIVE_INFINITY;
  #wakes = Number.POSITIVE_INFINITY;
  #native: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly work: () => void) {}

  /** Does the work after so many milliseconds, counted from now; what was set before no longer counts. */
  set(ms: number): void {
    this.#due = performance.now() + ms;
    if (this.#due < this.#wakes) this.#wakeIn(ms);
  }

  /** Sets it, unless it is set already. */
  setOnce(ms: number): void {
    if (this.#due === Number.POSITIVE_INFINITY) this.set(ms);
  }

  /** Takes back what was set. */
  clear(): void {
    this.#due = Number.POSITIVE_INFINITY;
  }

  #wakeIn(ms: number): void {
    clearTimeout(this.#native);
    this.#wakes = this.#due;
    this.#native = setTimeout(() => this.#wake(), ms);
  }

  #wake(): void {
    this.#native = undefined;
    this.#wakes = Number.POSITIVE_INFINITY;
    if (this.#due === Number.POSITIVE_INFINITY) return;
    const left = this.#due - performance.now();
    if (left >= 1) {
      this.#wakeIn(left);
      return;
    }
    this.#due = Number.POSITIVE_INFINITY;
    this.work();
  }
}
