/** The globs of a study's `secret_fields`: `*` any characters, `?` one; without case. */

/** Compiles globs; an empty list matches nothing. */
export function globMatcher(globs: readonly string[]): (text: string) => boolean {
  if (globs.length === 0) return () => false;
  const sources = globs.map((glob) =>
    glob
      .replace(/[.+^${}()|[\]\\]/g, "\\$&")
      .replaceAll("*", ".*")
      .replaceAll("?", "."),
  );
  const pattern = new RegExp(`^(?:${sources.join("|")})$`, "isu");
  return (text) => pattern.test(text);
}
