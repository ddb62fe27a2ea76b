/** The globs of a study's `secret_fields`, as Python's fnmatch has them: `*`, `?`, `[abc]`, `[!abc]`; without case. */

const PIECE = /\[!?\]?[^\]]*\]|./gsu;

/** Compiles globs; an empty list matches nothing, one that can't be read everything: then no field is looked at. */
export function globMatcher(globs: readonly string[]): (text: string) => boolean {
  if (globs.length === 0) return () => false;
  const sources = globs.map((glob) => glob.replace(PIECE, translated));
  try {
    const pattern = new RegExp(`^(?:${sources.join("|")})$`, "isu");
    return (text) => pattern.test(text);
  } catch {
    return () => true;
  }
}

function translated(piece: string): string {
  if (piece === "*") return ".*";
  if (piece === "?") return ".";
  if (piece.length === 1) return piece.replace(/[.+^${}()|[\]\\/]/, "\\$&");
  const negated = piece.startsWith("[!");
  const members = piece.slice(negated ? 2 : 1, -1).replace(/[\\\]^[]/g, "\\$&");
  return `[${negated ? "^" : ""}${members}]`;
}
