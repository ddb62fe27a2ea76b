/** What the extension keeps for itself: an id of this browser profile, and what the person answered. */

import type { State } from "../shared/wire.ts";
import type { Answers } from "./gate.ts";
import type { Invitation } from "./handshake.ts";

/** What was last heard from the bridge; in memory only, gone with the browser. */
export interface Heard {
  state: State;
  at: number;
}

/** Gives the profile's id: 32 hex digits. */
export async function profileId(): Promise<string> {
  const { profile } = await chrome.storage.local.get<{ profile?: string }>("profile");
  return profile ?? (await newProfile());
}

/** Makes the profile's id anew, at random. What was agreed with the bridge was for the old one. */
export async function newProfile(): Promise<string> {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const profile = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  await Promise.all([chrome.storage.session.remove("invitation"), chrome.storage.local.remove("pairing")]);
  await chrome.storage.local.set({ profile });
  return profile;
}

export async function answers(): Promise<Answers> {
  const kept = await chrome.storage.local.get<{ answers?: Answers }>("answers");
  return kept.answers ?? {};
}

/** Keeps an answer; one about a newer version replaces those about older ones. */
export async function keepAnswer(study: string, key: string, origin: string, yes: boolean): Promise<Answers> {
  const before = await answers();
  const others = Object.entries(before).filter(([other]) => other === key || !other.startsWith(`${study}@`));
  const after = {
    ...Object.fromEntries(others),
    [key]: { ...before[key], [origin]: yes ? "yes" : "no" },
  } as Answers;
  await chrome.storage.local.set({ answers: after });
  return after;
}

export async function invitation(): Promise<Invitation | null> {
  const kept = await chrome.storage.session.get<{ invitation?: Invitation }>("invitation");
  return kept.invitation ?? null;
}

export async function keepInvitation(value: Invitation): Promise<void> {
  await chrome.storage.session.set({ invitation: value });
}

/** Says whether this is the first worker since the extension began to run: the browser started, or it was switched on. */
export async function isFirst(): Promise<boolean> {
  const { begun } = await chrome.storage.session.get<{ begun?: boolean }>("begun");
  await chrome.storage.session.set({ begun: true });
  return begun !== true;
}

/** Gives what a pairing by code left; it outlives the browser, because no native host would bring another. */
export async function pairing(): Promise<Invitation | null> {
  const kept = await chrome.storage.local.get<{ pairing?: Invitation }>("pairing");
  return kept.pairing ?? null;
}

export async function keepPairing(value: Invitation): Promise<void> {
  await chrome.storage.local.set({ pairing: value });
}

export async function heard(): Promise<Heard | null> {
  const kept = await chrome.storage.session.get<{ heard?: Heard }>("heard");
  return kept.heard ?? null;
}

export async function keepHeard(value: Heard): Promise<void> {
  await chrome.storage.session.set({ heard: value });
}
