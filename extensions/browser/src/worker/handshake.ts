/**
 * The introduction to the bridge, without sockets: both sides prove that they know the secret, which never crosses.
 *
 * A table of states; a message that a state does not know ends it.
 */

import { PROTOCOL, type State } from "../shared/wire.ts";

export interface Identity {
  profile: string;
  /** The Origin header that the browser sends for us. */
  origin: string;
}

export interface Invitation {
  port: number;
  /** 32 bytes, base64url without padding. */
  secret: string;
  /** The secret is a pairing code, good for once. */
  pair?: boolean;
}

export type Step =
  | { send: object }
  | { ready: { state: State; paired: string | null } }
  | { fail: "bridge-unproven" | "bridge-protocol" };

type Phase = "hello-sent" | "proof-sent" | "ready" | "failed";

const encoder = new TextEncoder();

/** Encodes as base64url without padding (RFC 4648, 5). */
export function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

export function fromBase64url(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (sign) => sign.charCodeAt(0));
}

/** Gives the proof of one side: HMAC-SHA256 over everything that tells this introduction from any other. */
export async function proofOf(
  side: "bridge" | "client" | "pair",
  secret: string,
  parts: { profile: string; origin: string; port: number; nonce: string; challenge: string },
): Promise<string> {
  const { profile, origin, port, nonce, challenge } = parts;
  const text = [`overt bridge ${PROTOCOL}`, side, profile, origin, port, nonce, challenge].join("\n");
  const bytes = fromBase64url(secret);
  const key = await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return base64url(new Uint8Array(await crypto.subtle.sign("HMAC", key, encoder.encode(text))));
}

/** Reads the code of `overt pair` as a secret: its letters and digits, in capitals. */
export function codeSecret(code: string): string {
  return base64url(encoder.encode(code.replaceAll("-", "").toUpperCase()));
}

/** Compares in a time that does not tell where two texts differ. */
export function equalInConstantTime(one: string, two: string): boolean {
  let difference = one.length ^ two.length;
  for (let at = 0; at < one.length; at += 1)
    difference |= one.charCodeAt(at) ^ two.charCodeAt(at % (two.length || 1));
  return difference === 0;
}

/** One introduction; `nonce` is 16 random bytes, handed in. */
export class Handshake {
  #phase: Phase = "hello-sent";
  readonly #nonce: string;
  #paired: string | null = null;

  constructor(
    readonly identity: Identity,
    readonly invitation: Invitation,
    nonce: Uint8Array,
  ) {
    this.#nonce = base64url(nonce);
  }

  hello(): object {
    const { profile } = this.identity;
    const hello = { type: "hello", protocol: PROTOCOL, profile, nonce: this.#nonce };
    return this.invitation.pair ? { ...hello, pair: true } : hello;
  }

  /** Takes a message and says what follows. */
  async receive(message: Record<string, unknown>): Promise<Step> {
    if (this.#phase === "hello-sent" && message.type === "challenge") return this.#challenged(message);
    if (this.#phase === "proof-sent" && message.type === "ready") return this.#welcomed(message);
    return this.#fail("bridge-protocol");
  }

  async #challenged(message: Record<string, unknown>): Promise<Step> {
    const { nonce: challenge, proof } = message;
    if (typeof challenge !== "string" || typeof proof !== "string") return this.#fail("bridge-protocol");
    const { profile, origin } = this.identity;
    const { port, secret } = this.invitation;
    const parts = { profile, origin, port, nonce: this.#nonce, challenge };
    const expected = await proofOf("bridge", secret, parts);
    if (!equalInConstantTime(proof, expected)) return this.#fail("bridge-unproven");
    this.#phase = "proof-sent";
    if (this.invitation.pair) this.#paired = await proofOf("pair", secret, parts);
    return { send: { type: "proof", proof: await proofOf("client", secret, parts) } };
  }

  #welcomed(message: Record<string, unknown>): Step {
    const { state } = message;
    if (!isState(state)) return this.#fail("bridge-protocol");
    this.#phase = "ready";
    return { ready: { state, paired: this.#paired } };
  }

  #fail(code: "bridge-unproven" | "bridge-protocol"): Step {
    this.#phase = "failed";
    return { fail: code };
  }
}

/** Says whether a value can be read as a state; what can't is as good as none. */
export function isState(value: unknown): value is State {
  if (typeof value !== "object" || value === null) return false;
  const { capture, reasons, studies } = value as Partial<State>;
  return (
    (capture === "capturing" || capture === "paused" || capture === "off") &&
    Array.isArray(reasons) &&
    Array.isArray(studies) &&
    studies.every(
      (study) => Array.isArray(study.origins) && typeof study.levels === "object" && study.levels !== null,
    )
  );
}
