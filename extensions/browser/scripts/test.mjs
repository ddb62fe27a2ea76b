// Bundles the tests and runs them with node's own runner.
import { spawnSync } from "node:child_process";
import { readdir, rm } from "node:fs/promises";
import { build } from "esbuild";

const ROOT = new URL("..", import.meta.url);
const names = (await readdir(new URL("test", ROOT))).filter((name) => name.endsWith(".test.ts")).sort();
await rm(new URL("build/test", ROOT), { recursive: true, force: true });
await build({
  absWorkingDir: ROOT.pathname,
  entryPoints: names.map((name) => `test/${name}`),
  outdir: "build/test",
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  define: { __BROWSER__: '"chromium"' },
});
const files = names.map((name) => `build/test/${name.replace(/\.ts$/, ".mjs")}`);
const { status } = spawnSync(process.execPath, ["--test", ...files], { cwd: ROOT, stdio: "inherit" });
process.exit(status ?? 1);
