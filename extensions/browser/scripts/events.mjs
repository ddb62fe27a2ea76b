// Generates src/shared/events.ts from the schema of events. With --check: says whether it is up to date.
import { readFile, writeFile } from "node:fs/promises";
import { compile } from "json-schema-to-typescript";

const SCHEMA = new URL("../../../docs/schema/event.schema.json", import.meta.url);
const TARGET = new URL("../src/shared/events.ts", import.meta.url);

/** Takes out what is for people and for the filter, and the tag's mapping that TypeScript does not need. */
function plain(value) {
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return value;
  const kept = Object.entries(value).filter(
    ([key]) => !key.startsWith("x-") && key !== "discriminator" && key !== "default",
  );
  const made = Object.fromEntries(kept.map(([key, inner]) => [key, plain(inner)]));
  if (made.type === "array" && made.maxItems !== undefined && made.prefixItems === undefined)
    delete made.maxItems;
  if (made.prefixItems !== undefined) {
    made.items = made.prefixItems;
    made.additionalItems = false;
    delete made.prefixItems;
  }
  return made;
}

async function generate() {
  const schema = plain(JSON.parse(await readFile(SCHEMA, "utf8")));
  return compile(schema, "Event", {
    additionalProperties: false,
    bannerComment: "// Made from docs/schema/event.schema.json by `npm run events`. Not for editing.",
    unreachableDefinitions: false,
    style: { printWidth: 110 },
  });
}

const made = await generate();
if (process.argv.includes("--check")) {
  if ((await readFile(TARGET, "utf8")) !== made) {
    console.error(
      "src/shared/events.ts is not what docs/schema/event.schema.json gives: run `npm run events`",
    );
    process.exit(1);
  }
} else {
  await writeFile(TARGET, made);
}
