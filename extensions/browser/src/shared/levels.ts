/** What each level leaves of an event. Lowering is done in the page, again in the worker, again by the gate. */

import type { Level } from "./events.ts";
import type { WireBody, WireElement } from "./wire.ts";

const RANK: Record<Level, number> = { rhythm: 0, shape: 1, content: 2 };
const LETTER_UPPER = /[\p{Lu}\p{Lt}]/gu;
const LETTER_OTHER = /[\p{L}\p{M}]/gu;
const DIGIT = /\p{N}/gu;

/** Longest accessible name or title, in code points: a phrase; what is longer is somebody's text. */
export const MAX_NAME = 120;

const NOTHING: WireElement = {
  role: "",
  name: "",
  name_from: "none",
  context: "",
  context_role: "",
  path: "",
  box: [0, 0, 0, 0],
};

/** Gives the higher of two levels. */
export function higher(one: Level | undefined, other: Level): Level {
  return one !== undefined && RANK[one] > RANK[other] ? one : other;
}

/** Replaces each character by its class: A, a, 0, the rest as it is. */
export function shape(text: string): string {
  return text
    .replace(LETTER_UPPER, "\u0000")
    .replace(LETTER_OTHER, "a")
    .replaceAll("\u0000", "A")
    .replace(DIGIT, "0");
}

/** Cuts a text to so many code points, with its white space joined. */
export function phrase(text: string, most: number = MAX_NAME): string {
  const joined = text
    .slice(0, most * 4)
    .replace(/\s+/g, " ")
    .trim();
  return joined.length <= most ? joined : Array.from(joined).slice(0, most).join("");
}

/** Reduces an event to a level. What is lowered already comes out as it went in. */
export function lower(body: WireBody, level: Level): WireBody {
  if (level === "content") return body;
  return level === "shape" ? withTexts(body, SHAPES) : toRhythm(body);
}

/** What becomes of each kind of text of the page in an event. */
export interface Texts {
  text(text: string): string;
  /** What was entered. */
  value(value: string): string;
  named<Kind extends Named>(node: Kind): Kind;
  route(route: string): string;
}

type Named = Pick<WireElement, "name" | "name_from">;

/** Gives an event with other texts; all that an event may tell of a page's texts stands here. */
export function withTexts(body: WireBody, by: Texts): WireBody {
  const about = (element: WireElement): WireElement => ({
    ...by.named(element),
    context: by.text(element.context),
  });
  switch (body.kind) {
    case "page.open":
    case "page.navigate":
      return { ...body, route: by.route(body.route), title: by.text(body.title) };
    case "field.change":
      return { ...body, element: about(body.element), value: by.value(body.value) };
    case "pointer.click":
    case "key.rhythm":
    case "form.submit":
      return { ...body, element: about(body.element) };
    case "scroll":
    case "clipboard":
      return { ...body, element: body.element === null ? null : about(body.element) };
    case "page.outline":
      return { ...body, nodes: body.nodes.map((node) => by.named(node)) };
    default:
      return body;
  }
}

const SHAPES: Texts = {
  text: shape,
  value: () => "",
  named: (node) => ({ ...node, name: shape(node.name) }),
  route: shapeOfRoute,
};

function shapeOfRoute(route: string): string {
  const [, origin = "", path = ""] = /^(https?:\/\/[^/?#]*)([^?#]*)/.exec(route) ?? [];
  return (
    origin +
    path
      .split("/")
      .map((segment) => (segment === ":id" ? segment : shape(segment)))
      .join("/")
  );
}

function toRhythm(body: WireBody): WireBody {
  switch (body.kind) {
    case "page.open":
      return { ...body, tab: 0, route: "", title: "", width: 0, height: 0 };
    case "page.navigate":
      return { ...body, route: "", title: "" };
    case "pointer.trail":
      return { ...body, points: [] };
    case "pointer.click":
      return { ...body, element: NOTHING, x: 0, y: 0 };
    case "scroll":
      return { ...body, element: body.element && NOTHING, x: 0, y: 0 };
    case "field.change":
      return { ...body, element: NOTHING, content: "other", length: "0", value: "", checked: null, form: 0 };
    case "key.rhythm":
      return { ...body, element: NOTHING };
    case "form.submit":
      return { ...body, element: NOTHING, form: 0 };
    case "clipboard":
      return { ...body, element: body.element && NOTHING };
    case "page.outline":
      return { ...body, nodes: [] };
    default:
      return body;
  }
}
