/** How many events one page may give: a person does less, and a page that makes events up is cut off. */

/** So many at once ... */
const BURST = 300;
/** ... and so many a second from then on. */
const PER_SECOND = 20;

export class Allowance {
  #left = BURST;
  #at = 0;
  #lost = 0;

  /** Says whether one more event is within it; one that is not is counted. */
  takes(now: number): boolean {
    this.#left = Math.min(BURST, this.#left + ((now - this.#at) / 1000) * PER_SECOND);
    this.#at = now;
    if (this.#left < 1) {
      this.#lost += 1;
      return false;
    }
    this.#left -= 1;
    return true;
  }

  /** Gives how many were lost since it was asked last. */
  lost(): number {
    const lost = this.#lost;
    this.#lost = 0;
    return lost;
  }
}
