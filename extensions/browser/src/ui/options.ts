/** Settings: the connection, pairing by code where the browser can't start overt, and the sites that were allowed. */

import type { Overview } from "../shared/ui.ts";
import { ask, byId, fixFor, make, Refused, sorry, t, translate } from "./dom.ts";

async function show(): Promise<void> {
  const overview = await ask<Overview>({ ask: "overview", tab: null });
  const { connected, trouble, answers } = overview;
  byId("connection").textContent = connected
    ? t("connected")
    : `${t("notConnected")} ${fixFor(trouble?.code ?? "no-bridge")}`;
  const lines = Object.entries(answers).flatMap(([key, given]) =>
    Object.keys(given)
      .filter((origin) => given[origin] === "yes")
      .map((origin) => line(key, origin)),
  );
  byId("sites").replaceChildren(...(lines.length > 0 ? lines : [make("li", {}, t("sitesNone"))]));
}

function line(key: string, origin: string): HTMLElement {
  const at = key.lastIndexOf("@");
  const [study, version] = [key.slice(0, at), Number(key.slice(at + 1))];
  const button = make("button", { type: "button", "aria-label": t("takeBackLabel", origin) }, t("takeBack"));
  button.addEventListener("click", async () => {
    await ask({ ask: "answer", study, version, origin, yes: false });
    await show();
  });
  return make(
    "li",
    {},
    make("span", { class: "origin" }, origin),
    make("span", { class: "level" }, study),
    button,
  );
}

async function pair(event: SubmitEvent): Promise<void> {
  event.preventDefault();
  const field = byId("code") as HTMLInputElement;
  const code = field.value;
  field.value = "";
  try {
    await ask({ ask: "pair", code });
    byId("paired").textContent = t("pairOk");
  } catch (error) {
    byId("paired").textContent = error instanceof Refused ? t("pairWrong") : sorry(error);
  }
  await show();
}

translate();
byId("pair").addEventListener("submit", (event) => void pair(event as SubmitEvent));
byId("connection").textContent = t("connecting");
show().catch((error) => {
  byId("connection").textContent = sorry(error);
});
