/** The content script: does nothing until the worker says that this page may be captured, and stops at its word. */

import type { SignTexts, ToPage } from "../shared/wire.ts";
import { callBegins } from "./call.ts";
import { whenDrawn } from "./drawn.ts";
import { followFields } from "./fields.ts";
import { followKeys } from "./keys.ts";
import { Outbox } from "./outbox.ts";
import { own } from "./own.ts";
import { followPointer } from "./pointer.ts";
import { frameIsPrivate } from "./privates.ts";
import { Recorder } from "./recorder.ts";
import { Secrets } from "./secrets.ts";
import { Sign } from "./sign.ts";
import { closePage, followView, openPage } from "./view.ts";

/** The sign is looked at whenever a batch leaves, unless it was so long ago at most, in milliseconds ... */
const LOOK_MS = 900;
/** ... and so often while nothing happens. */
const IDLE_LOOK_MS = 5000;
/** The same where the browser does not tell that the sign is covered. */
const UNTOLD_LOOK_MS = 1000;
/** A page that has no body yet is waited for at most so long, in milliseconds. */
const BODY_MS = 3000;

class Page {
  readonly #top = window === window.parent;
  readonly #secrets = new Secrets();
  readonly #outbox: Outbox;
  #recorder: Recorder | null = null;
  #sign: Sign | null = null;
  #shown = false;
  /** Whether its opening was written down: what was left before that is not closed either. */
  #opened = false;
  #looked = 0;
  #timer: ReturnType<typeof setInterval> | undefined;
  readonly #leaves = (): void => this.#leave();
  readonly #returns = (event: PageTransitionEvent): void => {
    if (event.persisted) this.#outbox.connect();
  };

  constructor() {
    this.#outbox = new Outbox(
      (message) => this.#hear(message),
      () => this.#stop(),
      () => this.#shown,
      () => this.#isShown(LOOK_MS),
      (field) => this.#recorder?.mayTell(field) === true,
      () => this.#recorder?.settleOver(),
    );
    this.#listen();
    // A page that writes its document anew (`document.open`) lets go of all that listen.
    new MutationObserver(() => this.#listen()).observe(document, { childList: true });
  }

  #listen(): void {
    window.addEventListener("pagehide", this.#leaves);
    window.addEventListener("pageshow", this.#returns);
    this.#recorder?.listenAgain();
  }

  connect(): void {
    this.#outbox.connect();
  }

  #hear(message: ToPage): void {
    callBegins();
    if (message.type === "start") this.#start(message);
    else if (message.type === "stop") this.#stop();
    else if (message.type === "flush") {
      this.#recorder?.settle();
      this.#outbox.flush();
    }
  }

  #start(message: Extract<ToPage, { type: "start" }>): void {
    if (frameIsPrivate()) return;
    this.#secrets.list(message.secretFields);
    if (this.#recorder !== null) {
      this.#recorder.allow(message.levels);
      this.#outbox.resend();
      return;
    }
    const recorder = new Recorder(
      message.levels,
      this.#secrets,
      this.#putUp(message.sign),
      this.#outbox,
      () => this.#shown,
    );
    this.#recorder = recorder;
    const lookMs = this.#sign?.isTold === false ? UNTOLD_LOOK_MS : IDLE_LOOK_MS;
    this.#timer = setInterval(() => this.#isShown(LOOK_MS), lookMs);
    whenDrawn(() => recorder.unlessStopped(() => this.#follow(recorder)));
  }

  /** Begins to look, once the sign is drawn. */
  #follow(recorder: Recorder): void {
    this.#isShown(0);
    openPage(recorder);
    this.#opened = true;
    followView(recorder);
    followPointer(recorder);
    followKeys(recorder);
    followFields(recorder);
    this.#outbox.flush();
  }

  /** Only the tab's own page shows the sign; the worker stops its frames when it can't. */
  #putUp(texts: SignTexts): Sign | null {
    if (!this.#top) return null;
    this.#sign = new Sign(texts, () => this.#isShown(0));
    this.#sign.show();
    return this.#sign;
  }

  /** Looks whether the sign can be seen, unless that was done a moment ago. What was seen in between is dropped. */
  #isShown(freshMs: number): boolean {
    const now = performance.now();
    if (this.#recorder === null) return false;
    if (now - this.#looked < freshMs) return this.#shown;
    this.#looked = now;
    const shown = this.#sign === null ? !this.#top && !frameIsPrivate() : this.#sign.isSeen();
    if (shown !== this.#shown) {
      this.#shown = shown;
      if (!shown) this.#outbox.clear();
      this.#outbox.send({ type: "sign", shown });
    }
    return shown;
  }

  #leave(): void {
    callBegins();
    if (this.#recorder !== null && this.#opened) {
      closePage(this.#recorder);
      this.#outbox.flush();
    }
    this.#stop();
    this.#outbox.disconnect();
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#recorder?.stop();
    this.#recorder = null;
    this.#sign?.hide();
    this.#sign = null;
    this.#shown = false;
    this.#opened = false;
    this.#outbox.clear();
  }
}

/** Waits for something to put the sign into. */
function whenBody(work: () => void): void {
  if (own("readyState") !== "loading") {
    work();
    return;
  }
  const timer = setTimeout(run, BODY_MS);
  function run(): void {
    clearTimeout(timer);
    document.removeEventListener("DOMContentLoaded", run);
    work();
  }
  document.addEventListener("DOMContentLoaded", run);
}

/** Waits until a page that the browser loaded ahead is opened: no one may ever look at it. */
function whenOpened(work: () => void): void {
  if (!(document as { prerendering?: boolean }).prerendering) work();
  else document.addEventListener("prerenderingchange", work, { once: true });
}

// A page that got the script twice (at install, and by a second way) runs one.
const MARK = "overtPage";
if (!Object.hasOwn(globalThis, MARK) && own("documentElement") instanceof HTMLElement) {
  Object.defineProperty(globalThis, MARK, { value: true });
  const page = new Page();
  whenBody(() => whenOpened(() => page.connect()));
}
