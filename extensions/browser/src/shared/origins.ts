/** Origins: which site a page is of, and the permission pattern that the browser knows it by. */

/** Says whether a page's origin is one that a study names: `https://host:port`, or `https://*.host` for those below. */
export function originMatches(named: string, origin: string): boolean {
  if (named === origin) return true;
  const [, scheme, rest] = /^(https?:\/\/)\*(\..+)$/.exec(named) ?? [];
  if (scheme === undefined || rest === undefined || !origin.startsWith(scheme)) return false;
  const host = origin.slice(scheme.length);
  return host.endsWith(rest) && host.length > rest.length && /^[^/]+$/.test(host);
}

/** Gives the match pattern to ask the browser for; null for what is no origin of the web. */
export function patternFor(named: string, withPort: boolean): string | null {
  const [, scheme, host, port] =
    /^(https?):\/\/((?:\*\.)?[a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d{1,5})?$/i.exec(named) ?? [];
  if (scheme === undefined || host === undefined) return null;
  return `${scheme}://${host}${withPort ? (port ?? "") : ""}/*`;
}

/** Gives the origin of an address; null if it has none of the web. */
export function originOf(address: string | undefined): string | null {
  if (address === undefined) return null;
  try {
    const { origin, protocol } = new URL(address);
    return protocol === "https:" || protocol === "http:" ? origin : null;
  } catch {
    return null;
  }
}
