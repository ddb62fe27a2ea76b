/** Follows the page itself: opening, address, focus, closing, and the outline around what was done. */

import type { NavigateCause } from "../shared/events.ts";
import { phrase } from "../shared/levels.ts";
import { routeTemplate } from "../shared/routes.ts";
import { Outlines } from "./outline.ts";
import { own } from "./own.ts";
import type { Recorder } from "./recorder.ts";

/** A page sets its title after its address; in milliseconds. */
const TITLE_MS = 100;

interface EntryChange extends Event {
  navigationType: string | null;
}

export function openPage(recorder: Recorder): void {
  recorder.emit({
    kind: "page.open",
    tab: 0,
    route: routeTemplate(origin, location.href),
    title: phrase(own("title")),
    width: innerWidth,
    height: innerHeight,
    parent: null,
  });
}

export function closePage(recorder: Recorder): void {
  recorder.leave();
  recorder.emit({ kind: "page.close" });
}

export function followView(recorder: Recorder): void {
  if (recorder.wants("page.navigate")) followNavigation(recorder);
  if (recorder.wants("page.focus") && window === window.parent) followFocus(recorder);
  if (recorder.wants("page.outline")) followOutline(recorder);
}

function followNavigation(recorder: Recorder): void {
  let address = location.href;
  let waiting: { cause: NavigateCause; at: number } | null = null;
  const write = (): void => {
    if (waiting === null) return;
    const { cause, at } = waiting;
    waiting = null;
    const route = routeTemplate(origin, location.href);
    recorder.emit({ kind: "page.navigate", route, title: phrase(own("title")), cause }, at);
  };
  const moved = (type: string | null): void => {
    if (location.href === address && type !== "reload") return;
    const cause = causeOf(type, address, location.href);
    address = location.href;
    // A place where no one stayed for a moment is on the way to the next.
    if (waiting !== null) return;
    recorder.settle();
    waiting = { cause, at: performance.now() };
    recorder.later(write, TITLE_MS);
  };
  recorder.beforeOthers(write);
  const navigation = (window as { navigation?: EventTarget }).navigation;
  if (navigation !== undefined) {
    recorder.onBrowser(navigation, ["currententrychange"], (event) =>
      moved((event as EntryChange).navigationType),
    );
  } else {
    recorder.onBrowser(window, ["popstate", "hashchange"], () => moved("traverse"));
    // Without the Navigation API nobody says that the address changed: every action looks.
    recorder.on(window, ["click", "keyup"], () => recorder.later(() => moved("push"), TITLE_MS));
  }
}

function causeOf(type: string | null, before: string, after: string): NavigateCause {
  if (before.split("#")[0] === after.split("#")[0] && before !== after && type !== "traverse")
    return "fragment";
  return type === "push" || type === "replace" || type === "traverse" || type === "reload" ? type : "unknown";
}

function followFocus(recorder: Recorder): void {
  let before = "";
  const look = (): void => {
    const focused = own("hasFocus").call(document);
    const visible = own("visibilityState") === "visible";
    const now = `${focused} ${visible}`;
    if (now === before) return;
    before = now;
    recorder.settle();
    recorder.emit({ kind: "page.focus", focused, visible });
    recorder.sink.flush();
  };
  look();
  recorder.onBrowser(window, ["focus", "blur"], () => recorder.later(look, 0));
  recorder.onBrowser(document, ["visibilitychange"], look);
}

/** An outline shows what the person saw when they acted: it is drawn before the page hears of the action. */
function followOutline(recorder: Recorder): void {
  const outlines = new Outlines(recorder.secrets, recorder.sign?.host ?? null);
  let text = "";
  let seen = false;
  const draw = (around: Element | null): void => {
    if (!recorder.isShown()) return;
    seen = true;
    const nodes = outlines.around(around, performance.now());
    const now = JSON.stringify(nodes);
    if (nodes.length === 0 || now === text) return;
    text = now;
    recorder.emit({ kind: "page.outline", nodes });
  };
  recorder.onActed(draw);
  const navigation = (window as { navigation?: EventTarget }).navigation;
  if (navigation !== undefined) {
    recorder.onBrowser(navigation, ["currententrychange"], () => {
      seen = false;
    });
  }
  // Of a page on which nothing was done, what was read.
  recorder.beforeLeaving(() => {
    if (!seen) draw(null);
  });
}
