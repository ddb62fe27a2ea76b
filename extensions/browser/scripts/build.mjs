// Builds dist/chromium and dist/firefox from one source. The same source gives the same bytes.
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { build } from "esbuild";
import { manifestFor } from "./manifest.mjs";

const ROOT = new URL("..", import.meta.url);
const { version } = JSON.parse(await readFile(new URL("package.json", ROOT), "utf8"));
const PAGES = ["popup", "welcome", "options"];
/** Nearly all of the page script is used. To compile it whole costs less than to do so function by function at first clicks. */
const COMPILED_AT_ONCE = "//# allFunctionsCalledOnLoad";

async function buildFor(browser) {
  const target = new URL(`dist/${browser}/`, ROOT);
  await rm(target, { recursive: true, force: true });
  await mkdir(target, { recursive: true });
  const common = {
    absWorkingDir: ROOT.pathname,
    bundle: true,
    target: browser === "chromium" ? "chrome120" : "firefox140",
    define: { __BROWSER__: JSON.stringify(browser) },
    legalComments: "none",
    charset: "utf8",
  };
  await build({
    ...common,
    entryPoints: { page: "src/page/main.ts" },
    outdir: target.pathname,
    format: "iife",
    minify: true,
    // Names of secrets are in many scripts: escaped, the whole is read as one byte a character, which is a little faster.
    charset: "ascii",
    banner: { js: COMPILED_AT_ONCE },
  });
  await build({
    ...common,
    entryPoints: {
      worker: "src/worker/main.ts",
      ...Object.fromEntries(PAGES.map((page) => [page, `src/ui/${page}.ts`])),
    },
    outdir: target.pathname,
    format: "esm",
  });
  for (const page of PAGES) await cp(new URL(`src/ui/${page}.html`, ROOT), new URL(`${page}.html`, target));
  await cp(new URL("src/ui/ui.css", ROOT), new URL("ui.css", target));
  if (browser === "firefox") await cp(new URL("src/page/sign.css", ROOT), new URL("sign.css", target));
  await cp(new URL("icons", ROOT), new URL("icons", target), {
    recursive: true,
    filter: (path) => !path.endsWith(".svg"),
  });
  await cp(new URL("_locales", ROOT), new URL("_locales", target), { recursive: true });
  await cp(new URL("../../LICENSE", ROOT), new URL("LICENSE", target));
  await writeFile(
    new URL("manifest.json", target),
    `${JSON.stringify(manifestFor(browser, version), null, 2)}\n`,
  );
}

await Promise.all(["chromium", "firefox"].map(buildFor));
