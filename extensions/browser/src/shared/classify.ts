/** What a field holds, as a class and a rough length: all that is kept of it below level `content`. */

import type { FieldContent, LengthBucket } from "./events.ts";

const BUCKETS: readonly (readonly [number, LengthBucket])[] = [
  [0, "0"],
  [4, "1-4"],
  [16, "5-16"],
  [64, "17-64"],
  [256, "65-256"],
];
/** Longer values are looked at in their beginning only. */
const LOOKED_AT = 512;

/** Characters of a value that are kept at most; a card is looked for in all of them. */
export const MAX_VALUE = 4000;

const EMAIL = /^[^\s@]{1,64}@[^\s@]+\.[^\s@]{2,}$/u;
const PHONE = /^\+?[\d\s()/.-]{6,24}$/;
const DATE = /^(?:\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./-]\d{1,2}[./-]\d{2,4})(?:[T ]\d{1,2}:\d{2}.*)?$/;
const URL_LIKE = /^(?:[a-z][a-z0-9+.-]{1,16}:\/\/|www\.)\S+$/i;
const DIGITS = /^[\d\s.,'-]*\d[\d\s.,'-]*$/;
/** The commonest, without the tables of Unicode. */
const PLAIN_WORDS = /^[A-Za-z]+(?: [A-Za-z]+)*$/;
const WORDS = /^[\p{L}\p{M}'’-]+(?:[\s,.;:!?]+[\p{L}\p{M}'’-]+)*[\s.!?]*$/u;

/** Gives the class of a value. */
export function contentClass(value: string): FieldContent {
  const text = value.slice(0, LOOKED_AT).trim();
  if (text === "") return "empty";
  if (PLAIN_WORDS.test(text)) return "words";
  if (EMAIL.test(text)) return "email";
  if (URL_LIKE.test(text)) return "url";
  if (DATE.test(text)) return "date";
  if (/^\+|^0\d/.test(text) && PHONE.test(text)) return "phone";
  if (DIGITS.test(text)) return "digits";
  return WORDS.test(text) ? "words" : "text";
}

/** Gives the bucket of a value's length in code points. */
export function lengthBucket(value: string): LengthBucket {
  const length = value.length > 1024 ? value.length : Array.from(value).length;
  return BUCKETS.find(([most]) => length <= most)?.[1] ?? "257+";
}

/** Says whether a value has the form of a payment card's number (ISO/IEC 7812: 12 to 19 digits with a check digit). */
export function looksLikeCard(value: string): boolean {
  const digits = value.slice(0, MAX_VALUE).replace(/[\s-]/g, "");
  if (!/^\d{12,19}$/.test(digits)) return false;
  let sum = 0;
  for (let at = 0; at < digits.length; at += 1) {
    const digit = Number(digits[digits.length - 1 - at]);
    const doubled = digit * 2;
    sum += at % 2 === 0 ? digit : doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}
