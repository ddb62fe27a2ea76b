/** Route templates: which place in a program, never whom or what it was about. The gate makes its own of them again. */

/** What stands for a segment that is not the name of a place. */
export const ID = ":id";
/** Longer segments are titles and tokens. */
const MAX_SEGMENT = 32;
const MAX_ROUTE = 512;
/** More of a query's names than that are a form's values. */
const MAX_NAMES = 24;

const WORDS = /^[A-Za-z]?[a-z]+(?:[-_]?[A-Za-z]?[a-z]+){0,2}(?:\.(?:aspx?|cgi|do|html?|jsp|json|php|xml))?$/;
const NUMBERED = /^(?:[a-z]{2,}[0-9]{1,2}|[a-z][0-9][a-z]{0,2}|(?:api-?)?v\d{1,2}(?:\.\d{1,2}){0,2})$/;
const HEXADECIMAL = /^[a-f]{8,}$/;
const QUERY_NAME = /^[A-Za-z][a-z]{0,19}(?:[-_.A-Z][a-z]{1,20}){0,3}$/;

/** Gives origin, path with `:id` for what is not the name of a place, and the plain names of the query. */
export function routeTemplate(origin: string, address: string): string {
  const [, path = "/", query = ""] = pathOf(origin, address);
  let route = origin;
  for (const segment of path.split("/").slice(1)) {
    const piece = `/${segment === "" || isPlace(segment) ? segment : ID}`;
    if (route.length + piece.length > MAX_ROUTE) break;
    route += piece;
  }
  const names = [...new Set(query.split(/[&;]/).map((piece) => piece.split("=")[0] ?? ""))]
    .filter((name) => QUERY_NAME.test(name))
    .sort()
    .slice(0, MAX_NAMES);
  return names.length > 0 ? `${route}?${names.join("&")}` : route;
}

/** An address of no server (a frame that the page wrote itself) has no path of its own. */
function pathOf(origin: string, address: string): readonly string[] {
  const rest = address.startsWith(`${origin}/`) ? address.slice(origin.length) : "/";
  return (
    /^([^?#]*)\??([^#]*)/.exec(rest)?.map((part, at) => (at === 1 ? withoutParameters(part) : part)) ?? []
  );
}

function withoutParameters(path: string): string {
  return path
    .split("/")
    .map((segment) => segment.split(";")[0] ?? "")
    .join("/");
}

function isPlace(segment: string): boolean {
  if (segment.length > MAX_SEGMENT || HEXADECIMAL.test(segment)) return false;
  return WORDS.test(segment) || NUMBERED.test(segment);
}
