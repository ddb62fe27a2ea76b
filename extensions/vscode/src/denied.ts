// Names that no study ever takes: such a document is not even named to the sidecar. The gate has the last word on the rest.

import rules from "./denied.json";

const SPECIAL = /[.+^${}()|[\]\\]/g;

function expression(glob: string): RegExp {
  const folder = glob.endsWith("/");
  const body = glob
    .replace(/^\/|\/$/g, "")
    .replace(SPECIAL, "\\$&")
    .replace(/\*/g, "[^/]*")
    .replace(/\?/g, "[^/]");
  return new RegExp(`${glob.startsWith("/") ? "^/" : "(?:^|/)"}${body}${folder ? "/" : "(?:/|$)"}`);
}

const FOLDERS = rules.folders.map(expression);
const FILES = rules.files.map(expression);

/** Whether overt itself refuses a path, whatever a study says. */
export function isDenied(path: string): boolean {
  const folded = path.toLowerCase();
  const name = folded.slice(folded.lastIndexOf("/") + 1);
  return FOLDERS.some((each) => each.test(folded)) || FILES.some((each) => each.test(name));
}
