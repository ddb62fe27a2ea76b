/** What was typed into secret fields, where the page shows it again: in a text, a name, a title or an address. */

import { MAX_NAME, phrase, withTexts } from "../shared/levels.ts";
import { ID } from "../shared/routes.ts";
import type { WireBody } from "../shared/wire.ts";
import { isTyped, textIn } from "./telling.ts";

/** A shorter secret stands in a text by chance. */
const MIN_SECRET = 4;
/** A secret that is shorter than this counts only where it stands as a word. */
const MIN_ANYWHERE = 6;
/** A longer one is no secret that anyone types. */
const MAX_SECRET = 200;
/** Fields that are followed, and secrets that are known: those of late. */
const MAX_FIELDS = 20;
const MAX_KNOWN = 50;
const WORD = /[\p{L}\p{N}]/u;

type Field = HTMLInputElement | HTMLTextAreaElement;

/** Knows the secrets of one page while it lives; none of them is kept anywhere else. */
export class Echoes {
  /** What each field held when it was last looked at, or typed into. */
  readonly #typed = new Map<Field, string>();
  /** What fields held that have been left or sent since. */
  readonly #left = new Set<string>();

  /** Follows a field that was found to be secret. */
  follow(field: Element): void {
    if (isTyped(field) && !this.#typed.has(field)) bounded(this.#typed.set(field, ""), MAX_FIELDS);
  }

  /** Notes what a secret field holds while it is typed: the page may clear it before anything else happens. */
  typed(field: Element): void {
    const secret = secretIn(field);
    if (secret === "" || !isTyped(field)) return;
    this.follow(field);
    this.#typed.set(field, secret);
  }

  /** Notes what a secret field holds when it is left: it may hold another one soon. */
  left(field: Element): void {
    const secret = secretIn(field);
    if (secret !== "") bounded(this.#left.add(secret), MAX_KNOWN);
  }

  /** Takes out of an event each text that holds a secret. */
  without(body: WireBody): WireBody {
    if (this.#typed.size === 0 && this.#left.size === 0) return body;
    const secrets = this.#secrets();
    if (secrets.length === 0) return body;
    return purged(body, (text) => secrets.some((secret) => holds(text.toLowerCase(), secret)));
  }

  #secrets(): string[] {
    const secrets = new Set(this.#left);
    for (const [field, typed] of this.#typed) {
      const held = secretIn(field) || typed;
      this.#typed.set(field, held);
      secrets.add(held);
    }
    secrets.delete("");
    return [...secrets];
  }
}

/** Gives what a field holds, as a text of the page would show it; nothing if that is no secret that can be told. */
function secretIn(field: Element): string {
  const held = isTyped(field) ? textIn(field, MAX_SECRET) : "";
  if (held.length > MAX_SECRET) return "";
  const secret = phrase(held, MAX_SECRET).toLowerCase();
  return secret.length < MIN_SECRET ? "" : secret;
}

function bounded(known: Set<string> | Map<Field, string>, most: number): void {
  const [first] = known.keys();
  if (known.size > most && first !== undefined) (known as Set<unknown>).delete(first);
}

function holds(text: string, secret: string): boolean {
  for (let at = text.indexOf(secret); at >= 0; at = text.indexOf(secret, at + 1)) {
    if (secret.length >= MIN_ANYWHERE || isWord(text, at, at + secret.length)) return true;
  }
  return isCutIn(text, secret);
}

function isWord(text: string, start: number, end: number): boolean {
  return !WORD.test(text.charAt(start - 1)) && !WORD.test(text.charAt(end));
}

/** Says whether a text that was cut off ends in the beginning of a secret. */
function isCutIn(text: string, secret: string): boolean {
  if (text.length < MAX_NAME) return false;
  for (let length = secret.length - 1; length >= MIN_SECRET; length -= 1) {
    if (text.endsWith(secret.slice(0, length))) return true;
  }
  return false;
}

function purged(body: WireBody, holdsSecret: (text: string) => boolean): WireBody {
  const clean = (text: string): string => (text !== "" && holdsSecret(text) ? "" : text);
  return withTexts(body, {
    text: clean,
    value: clean,
    named: (node) => (clean(node.name) === node.name ? node : { ...node, name: "", name_from: "none" }),
    route: (route) => cleanRoute(route, holdsSecret),
  });
}

/** A segment of a path that holds a secret is no name of a place, and a name in a query none of a parameter. */
function cleanRoute(route: string, holdsSecret: (text: string) => boolean): string {
  const [, origin = "", path = "", query = ""] = /^([a-z]+:\/\/[^/?]*)?([^?]*)\??(.*)$/.exec(route) ?? [];
  const segments = path.split("/").map((segment) => (holdsSecret(segment) ? ID : segment));
  const names = query.split("&").filter((name) => name !== "" && !holdsSecret(name));
  return `${origin}${segments.join("/")}${names.length > 0 ? `?${names.join("&")}` : ""}`;
}
