/** Secret fields: what is typed there gives no event at all. Once secret, a field stays secret. */

import { globMatcher } from "../shared/globs.ts";
import { namesSecret } from "../shared/secret_names.ts";
import { Arrivals } from "./arrivals.ts";
import { callBegins } from "./call.ts";
import { isCodeCell } from "./code_cells.ts";
import { closestDeep, hostOf, isTooDeep, parentOf } from "./deep.ts";
import { Echoes } from "./echoes.ts";
import { isLabelled, namesAround, namesOf } from "./field_names.ts";
import { isKeypad } from "./keypad.ts";
import { allBelow, attributeOf, fits, holdsMore, rootOf } from "./own.ts";
import {
  FIELD,
  isComponent,
  isField,
  isTyped,
  isVast,
  saysSecret,
  secretElements,
  takesKeys,
  textIn,
} from "./telling.ts";

const NOT_TYPED = new Set("button checkbox radio submit reset image range color file".split(" "));
/** What tells of a field that it is a secret one, and hardly ever changes on anything else. */
const TELLING = ["type", "name", "autocomplete", "placeholder", "maxlength"];
const PASSWORD = "input[type=password]";
/** For so long a field that was found harmless is not looked at again, in milliseconds. */
const TRUSTED_MS = 2000;
/** Before a click a tree is searched for passwords, unless that was done within so many milliseconds. */
const SCAN_MS = 3000;
/** What passwords are called is read at once of a few; of more for so long, and the rest after a while, in milliseconds. */
const READ_AT_ONCE = 10;
const READ_MS = 8;
const READ_REST_MS = 40;
/** Names that are remembered. */
const MAX_KNOWN = 500;
/** Fonts that show a dot for every character, where a page wants no password manager to see its password. */
const DOTTED = /security|password|dots/i;
/** Text without a colour. */
const CLEAR = /^(?:transparent$|rgba\(.*, 0\)$)/;
/** What a page writes in place of what was entered; the last character may still be there. */
const MASK = /^(?:[•●⬤∙]+|[*＊∗]{2,}).?$/u;
/** A field that lies unseen over the boxes in which the page shows what is entered has less opacity than this. */
const FAINT = 0.1;
/** A text that stands so far outside of its field, in pixels, is not shown. */
const FAR_PX = 200;
/** Smaller letters no one reads, in pixels. */
const LEGIBLE_PX = 4;
/** Labels of what is to be entered once more. */
const REPEATS =
  /repeat|again|confirm|re-?(?:type|enter)|wiederhol|erneut|bestätig|répét|repet|repit|ripet|conferm|herhaal|powtórz|upprepa|gentag|gjenta|toista|повтор|подтверд|再入力|確認|确认|다시/i;
const DIGITS = /\\d|0-9/;
/** Of a code, in characters. */
const SHORTEST_CODE = 4;
const LONGEST_CODE = 10;
/** Elements in a component that is a field. */
const MAX_IN_FIELD = 60;
/** A shorter value is another field's by chance. */
const MIN_TWIN = 3;
/** A longer text is no password that was pasted. */
const MAX_TWIN = 300;
/** A component around an element is looked for so many steps up. */
const MAX_AROUND = 8;

/** What is known of a document or a shadow tree. */
interface Tree {
  arrivals: Arrivals;
  /** All that were found by looking for them. */
  passwords: Set<HTMLInputElement>;
  /** When it was last searched for passwords. */
  searched: number;
}

/** Knows which fields of this page are secret. */
export class Secrets {
  /** What was typed into them, where the page shows it again. */
  readonly echoes = new Echoes();
  readonly #harmlessUntil = new WeakMap<Element, number>();
  /** Until when no secret component is known at an element or above: most of what is pointed at has parents in common. */
  readonly #clearUntil = new WeakMap<Element, number>();
  /** Names of passwords, and what held a password and nothing else: another field there is the same one, shown. */
  readonly #names = new Set<string>();
  readonly #places = new WeakSet<Element>();
  /** Passwords whose names were not read yet, and what each stood in: until then no other field can be told from them. */
  readonly #unread = new Map<Element, Element | null>();
  #reads: ReturnType<typeof setTimeout> | undefined;
  /** As much for what held other fields beside: at which place, of how many. */
  readonly #placesAmong = new WeakMap<Element, string>();
  readonly #roots = new WeakSet<Node>();
  readonly #trees = new WeakMap<Node, Tree>();
  readonly #observer: MutationObserver;
  #listed: (text: string) => boolean = () => false;
  #lists = false;
  /** What was found out about names: pages have few, and come back to them. */
  readonly #known = new Map<string, boolean>();

  constructor() {
    this.#observer = new MutationObserver((records) => this.#changed(records));
    this.watch(document);
  }

  /** Takes over the study's list of field names. */
  list(globs: readonly string[]): void {
    this.#known.clear();
    this.#listed = globMatcher(globs);
    this.#lists = globs.length > 0;
  }

  /** Follows the passwords of a document or shadow tree from now on. */
  watch(root: Node): void {
    if (this.#roots.has(root)) return;
    this.#roots.add(root);
    this.#observer.observe(root, {
      subtree: true,
      attributes: true,
      attributeFilter: TELLING,
      attributeOldValue: true,
    });
    this.#scan(root, 0);
  }

  /** Looks for passwords before a click may turn one into plain text, or put another field in its place. */
  beforeClick(target: Element, now: number): void {
    this.#settle();
    const root = rootOf(target);
    this.watch(root);
    this.#scan(root, SCAN_MS);
    if (isField(target) && !isTooDeep(target)) this.#isSecret(target, now);
  }

  /** Gives the field that an element is or lies in. */
  fieldOf(element: Element): Element | null {
    if (element instanceof HTMLInputElement) return element;
    return closestDeep(element, FIELD);
  }

  /** Says whether an element is, or lies in, a secret field; one that is stays so, though the page may rename it. */
  covers(element: Element, now: number): boolean {
    for (let field = this.fieldOf(element); field !== null; ) {
      if (this.#isSecret(field, now)) return true;
      const above = parentOf(field);
      field = above === null ? null : this.fieldOf(above);
    }
    return false;
  }

  /** Says whether an element is, or lies in, what the page made itself to take a secret: a field of its own, a keypad. */
  coversOwn(element: Element, now: number): boolean {
    if (isKeypad(element)) return true;
    const climbed: Element[] = [];
    let at: Element | null = element;
    while (at !== null && climbed.length < MAX_AROUND && (this.#clearUntil.get(at) ?? 0) <= now) {
      if (this.#isSecretComponent(at, now)) return true;
      climbed.push(at);
      at = parentOf(at);
    }
    for (const each of climbed) this.#clearUntil.set(each, now + TRUSTED_MS);
    return false;
  }

  /** Says whether a field that was harmless a moment ago has become secret since. */
  hasTurned(field: Element): boolean {
    return secretElements.has(field) || (field as Partial<HTMLInputElement>).type === "password";
  }

  /** Takes back that an element, or what it stands in, is harmless: before what was entered there is written down. */
  doubt(element: Element): void {
    this.#settle();
    for (let at: Element | null = element; at !== null; at = parentOf(at)) {
      this.#harmlessUntil.delete(at);
      this.#clearUntil.delete(at);
    }
  }

  /** Says whether an element is a field, of whatever make, and secret; for walks that come from above. */
  isSecretField(element: Element, now: number): boolean {
    return isField(element) ? this.#isSecret(element, now) : this.#isSecretComponent(element, now);
  }

  /** Keeps an element as secret from now on, and what is typed there in mind. */
  #mark(element: Element): void {
    secretElements.add(element);
    this.echoes.follow(element);
  }

  /** Keeps a password as secret from now on, and by what another field may be known as the same. */
  #remember(element: Element): void {
    if (secretElements.has(element)) return;
    this.#mark(element);
    if (element instanceof HTMLInputElement) this.#treeOf(element.getRootNode())?.passwords.add(element);
    this.#readNames(element);
  }

  /** Goes on with reading what passwords are called. */
  #read(): void {
    this.#reads = undefined;
    const end = performance.now() + READ_MS;
    let read = 0;
    for (const [password, parent] of this.#unread) {
      read += 1;
      if (read > READ_AT_ONCE && performance.now() > end) {
        this.#reads = setTimeout(() => {
          callBegins();
          this.#read();
        }, READ_REST_MS);
        return;
      }
      this.#unread.delete(password);
      // Where one stood that is gone by now, any field may be the same.
      if (parent !== null && !password.isConnected) this.#places.add(parent);
      this.#readNames(password);
    }
  }

  #readNames(element: Element): void {
    for (const name of namesOf(element)) if (name.length > 1) this.#names.add(name);
    const { parentElement } = element;
    if (parentElement === null) return;
    const place = placeAmong(parentElement, element);
    if (place === "0/1") this.#places.add(parentElement);
    else this.#placesAmong.set(parentElement, place);
  }

  /** Says whether a field stands where a password stood. A name of its own tells it from what was there before. */
  #isInPlace(field: Element): boolean {
    const { parentElement } = field;
    if (parentElement === null) return false;
    if (this.#places.has(parentElement)) return true;
    const place = this.#placesAmong.get(parentElement);
    if (place === undefined || place !== placeAmong(parentElement, field)) return false;
    return !isLabelled(field) && ["name", "placeholder", "title"].every((name) => !attributeOf(field, name));
  }

  /** Looks for passwords in a tree, unless that was done within so many milliseconds; what is none has none. */
  #scan(root: Node, freshMs: number): void {
    const tree = this.#treeOf(root);
    const now = performance.now();
    if (tree === null || now - tree.searched < freshMs) return;
    tree.searched = now;
    for (const field of tree.arrivals.take().elements) {
      // One that was secret before it was a password is known as one from now on.
      tree.passwords.add(field as HTMLInputElement);
      if (secretElements.has(field)) continue;
      this.#mark(field);
      this.#unread.set(field, field.parentElement);
    }
    if (this.#reads === undefined) this.#read();
  }

  #treeOf(root: Node): Tree | null {
    const known = this.#trees.get(root);
    if (known !== undefined) return known;
    if (!(root instanceof Document || root instanceof DocumentFragment)) return null;
    const arrivals = new Arrivals(root, PASSWORD, "type");
    const tree = { arrivals, passwords: new Set<HTMLInputElement>(), searched: Number.NEGATIVE_INFINITY };
    this.#trees.set(root, tree);
    return tree;
  }

  /** Says whether a field holds what a password in its tree holds: it is the same one, shown or pasted. */
  #isTwin(field: Element, held: string): boolean {
    if (held.length < MIN_TWIN) return false;
    // What is gone from the page may have made room for a password.
    const root = field.isConnected ? field.getRootNode() : document;
    this.#scan(root, TRUSTED_MS);
    const form = isTyped(field) ? field.form : field.closest("form");
    const beside = form === null ? [] : allBelow<HTMLInputElement>(form, PASSWORD);
    const passwords = [...beside, ...(this.#treeOf(root)?.passwords ?? [])];
    return passwords.some((each) => each !== field && each.value === held);
  }

  /** Reads what was observed but not yet delivered. */
  #settle(): void {
    this.#changed(this.#observer.takeRecords());
  }

  /** Remembers what was a password or was named as a secret; what else turned into another field is looked at anew. */
  #changed(records: readonly MutationRecord[]): void {
    for (const { target, attributeName, oldValue } of records) {
      if (!(target instanceof Element)) continue;
      if (attributeName === "type" && oldValue?.toLowerCase() === "password") this.#remember(target);
      else if (isField(target) && this.#isSecretName(oldValue ?? "")) this.#mark(target);
      this.#harmlessUntil.delete(target);
    }
  }

  #isSecret(field: Element, now: number): boolean {
    if (secretElements.has(field)) return true;
    if (field instanceof HTMLInputElement && field.type === "password") {
      this.#remember(field);
      return true;
    }
    if ((this.#harmlessUntil.get(field) ?? 0) > now) return false;
    // What can't be judged now is not looked at.
    if (this.#unread.size > 0 || isVast(field)) return true;
    if (this.#looksSecret(field)) {
      this.#mark(field);
      return true;
    }
    this.#harmlessUntil.set(field, now + TRUSTED_MS);
    return false;
  }

  #looksSecret(field: Element): boolean {
    if (field instanceof HTMLInputElement && NOT_TYPED.has(field.type)) return this.#listedBy(field);
    this.watch(field.getRootNode());
    const held = heldIn(field);
    const names = namesOf(field);
    return (
      saysSecret(field) ||
      MASK.test(held) ||
      hidesText(field) ||
      this.#isInPlace(field) ||
      this.#isTwin(field, held) ||
      isCodeCell(field) ||
      names.some((name) => this.#names.has(name) || this.#isSecretName(name)) ||
      (names.some((name) => REPEATS.test(name)) && followsSecret(field)) ||
      namesAround(field).some((name) => this.#isSecretName(name)) ||
      this.#hostIsSecret(field)
    );
  }

  /** A component takes keys itself, and shows what it likes; only a small one is a field and not a part of a page. */
  #isSecretComponent(element: Element, now: number): boolean {
    if (!isComponent(element) && !takesKeys(element)) return false;
    if (secretElements.has(element)) return true;
    if ((this.#harmlessUntil.get(element) ?? 0) > now) return false;
    this.#harmlessUntil.set(element, now + TRUSTED_MS);
    const says =
      saysSecret(element) ||
      namesOf(element).some((name) => this.#isSecretName(name)) ||
      MASK.test(heldIn(element));
    if (!says || isLarge(element)) return false;
    this.#mark(element);
    return true;
  }

  #isSecretName(name: string): boolean {
    let secret = this.#known.get(name);
    if (secret === undefined) {
      secret = this.#listed(name) || namesSecret(name);
      if (this.#known.size >= MAX_KNOWN) this.#known.clear();
      this.#known.set(name, secret);
    }
    return secret;
  }

  #listedBy(field: Element): boolean {
    return this.#lists && namesOf(field).some((name) => this.#listed(name));
  }

  /** A component that wraps a field says what it is on its host. */
  #hostIsSecret(field: Element): boolean {
    const host = hostOf(field);
    if (host === null) return false;
    return (
      saysSecret(host) || namesOf(host).some((name) => this.#isSecretName(name)) || this.#hostIsSecret(host)
    );
  }
}

/** Says whether the person can't read what they enter. */
function hidesText(field: Element): boolean {
  const style = getComputedStyle(field);
  const masked = style.getPropertyValue("-webkit-text-security");
  if ((masked !== "" && masked !== "none") || DOTTED.test(style.fontFamily)) return true;
  if (style.filter.includes("blur(")) return true;
  if (!(field instanceof HTMLInputElement)) return false;
  if (Number.parseFloat(style.fontSize) < LEGIBLE_PX) return true;
  const { color, backgroundColor, textIndent } = style;
  // Where nothing is drawn there is no style.
  if (color !== "" && (color === backgroundColor || Math.abs(Number.parseFloat(textIndent)) > FAR_PX))
    return true;
  // A text area without colour lies over its own text in colours: that of an editor.
  return CLEAR.test(style.webkitTextFillColor) || (Number(style.opacity) < FAINT && isOfCode(field));
}

/** Says whether a field takes what a code may be; another one that can't be seen is that of a list to choose from. */
function isOfCode({ inputMode, type, pattern, maxLength }: HTMLInputElement): boolean {
  const isOfDigits = inputMode === "numeric" || type === "tel" || type === "number" || DIGITS.test(pattern);
  return isOfDigits || (maxLength >= SHORTEST_CODE && maxLength <= LONGEST_CODE);
}

/** Says whether the field before this one is secret. */
function followsSecret(field: Element): boolean {
  let at = field.parentElement;
  for (let step = 0; at !== null && step < MAX_AROUND; step += 1) {
    const fields = Array.from(allBelow(at, FIELD));
    const before = fields[fields.indexOf(field) - 1];
    if (before !== undefined) return secretElements.has(before) || fits(before, PASSWORD);
    at = at.parentElement;
  }
  return false;
}

/** Gives the place of a field among those of an element, and how many they are. */
function placeAmong(parent: Element, field: Element): string {
  const fields = Array.from(allBelow(parent, FIELD));
  return `${fields.indexOf(field)}/${fields.length}`;
}

/** Says whether more stands in an element than in a field. */
function isLarge(element: Element): boolean {
  return holdsMore(element, MAX_IN_FIELD);
}

/** Gives what was entered into a field; nothing of one that holds more than a password may. */
function heldIn(field: Element): string {
  if (field instanceof HTMLInputElement) return field.value;
  if (!isTyped(field) && isLarge(field)) return "";
  const text = textIn(field, MAX_TWIN);
  return text.length > MAX_TWIN ? "" : text.trim();
}
