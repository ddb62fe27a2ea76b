/** What is said between page, worker and bridge. The bodies come from the schema; a page stands by its own id. */

import type * as model from "./events.ts";

export type { Level } from "./events.ts";

export const PROTOCOL = 1;
export const NATIVE_HOST = "org.overt.bridge";
/** Name of the port between a page and the worker. */
export const PAGE_PORT = "page";

type Whole<T> = { [Key in keyof T]-?: Exclude<T[Key], undefined> };
type OnWire<T> = Omit<Whole<T>, "document">;

export type WireElement = Whole<model.Element>;
export type WireNode = Whole<model.OutlineNode>;
type WithElement<T> = Omit<OnWire<T>, "element"> & { element: WireElement };
type MaybeElement<T> = Omit<OnWire<T>, "element"> & { element: WireElement | null };

/** The body of an event of a page, as the extension writes it. */
export type WireBody =
  | (Omit<OnWire<model.PageOpen>, "parent"> & { parent: string | null })
  | OnWire<model.PageNavigate>
  | OnWire<model.PageClose>
  | OnWire<model.TabActivate>
  | OnWire<model.PageFocus>
  | OnWire<model.PointerTrail>
  | WithElement<model.PointerClick>
  | MaybeElement<model.Scroll>
  | WithElement<model.FieldChange>
  | WithElement<model.KeyRhythm>
  | WithElement<model.FormSubmit>
  | MaybeElement<model.Clipboard>
  | (Omit<OnWire<model.PageOutline>, "nodes"> & { nodes: WireNode[] })
  | OnWire<model.CaptureGap>;

export type Kind = WireBody["kind"];

/** The kinds that a page may send, as against the collector's own. */
export const PAGE_KINDS = [
  "page.open",
  "page.navigate",
  "page.close",
  "tab.activate",
  "page.focus",
  "pointer.trail",
  "pointer.click",
  "scroll",
  "field.change",
  "key.rhythm",
  "form.submit",
  "clipboard",
  "page.outline",
] as const satisfies readonly Kind[];

/** An event on its way. `mono_ms` is monotonic within the browser's session: only differences mean something. */
export interface WireEvent {
  page: string;
  wall_ms: number;
  mono_ms: number;
  /** The origin; only with page.open and page.navigate. */
  url?: string;
  body: WireBody;
}

export type Levels = Partial<Record<Kind, model.Level>>;

export interface Reason {
  code: string;
  detail: string;
  study: string;
}

export interface Study {
  study: string;
  title: string;
  version: number;
  controller: string;
  contact: string;
  notice: string;
  purposes: { id: string; dpv: string; text: string }[];
  origins: string[];
  levels: Levels;
  secret_fields: string[];
  hold_s: number;
  retention_days: number;
  end_ms: number;
  live: boolean;
  refusal: { code: string; detail: string } | null;
}

/** What the bridge says about capture, pushed whenever it changes. */
export interface State {
  capture: "capturing" | "paused" | "off";
  reasons: Reason[];
  paused_until_ms: number | null;
  studies: Study[];
}

/** Page to worker. */
export type FromPage =
  | { type: "hello"; shown: boolean }
  | { type: "sign"; shown: boolean }
  | { type: "events"; n: number; events: WireEvent[] };

/** Worker to page. */
export type ToPage =
  | { type: "start"; levels: Levels; secretFields: string[]; sign: SignTexts }
  | { type: "stop" }
  | { type: "flush" }
  | { type: "ack"; n: number };

export interface SignTexts {
  label: string;
  hint: string;
}
