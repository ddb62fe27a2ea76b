/** Small helpers of our own windows: texts in the person's language, elements, and asking the worker. */

import type { Ask, Told } from "../shared/ui.ts";

/** The worker, or the bridge behind it, said no. */
export class Refused extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly hint: string,
  ) {
    super(message);
  }
}

/** Gives a text of the person's language. */
export function t(key: string, ...values: (string | number)[]): string {
  return chrome.i18n.getMessage(key, values.map(String)) || key;
}

/** Puts texts into a page: `data-t` names them. */
export function translate(root: ParentNode = document): void {
  document.documentElement.lang = t("language");
  for (const element of root.querySelectorAll<HTMLElement>("[data-t]"))
    element.textContent = t(element.dataset.t ?? "");
}

/** Makes an element with attributes, text and children; text is never read as markup. */
export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Record<string, string> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Gives an element of this page by its id. */
export function byId(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`no element ${id}`);
  return element;
}

/** Asks the worker. Refused: if it can't or may not. */
export async function ask<T>(question: Ask): Promise<T> {
  const told = (await chrome.runtime.sendMessage(question)) as Told<T>;
  if ("error" in told) throw new Refused(told.error.code, told.error.message, told.error.hint);
  return told.value;
}

/** Says what to do about a connection that is missing. */
export function fixFor(code: string): string {
  const setup = __BROWSER__ === "firefox" ? "overt setup firefox" : "overt setup chrome";
  const key = `fix_${code.replaceAll("-", "_")}`;
  return chrome.i18n.getMessage(key, [setup]) || t("fix_no_bridge");
}

/** Says in a sentence why something did not work. */
export function sorry(error: unknown): string {
  if (!(error instanceof Refused)) return t("failed", String(error));
  return error.message === "" ? fixFor(error.code) : t("failed", `${error.message} ${error.hint}`.trim());
}
