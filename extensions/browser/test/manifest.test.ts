import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const DIST = "dist";
const BROWSERS = ["chromium", "firefox"];

function manifestOf(browser: string) {
  return JSON.parse(readFileSync(join(DIST, browser, "manifest.json"), "utf8"));
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? filesBelow(path) : [path];
  });
}

for (const browser of BROWSERS) {
  test(`${browser}: nothing is granted at install but what touches no page`, () => {
    const manifest = manifestOf(browser);
    assert.deepEqual(manifest.permissions, ["alarms", "nativeMessaging", "scripting", "storage"]);
    for (const key of [
      "host_permissions",
      "optional_permissions",
      "content_scripts",
      "web_accessible_resources",
      "externally_connectable",
      "commands",
      "devtools_page",
      "update_url",
    ]) {
      assert.equal(manifest[key], undefined, key);
    }
    assert.deepEqual(manifest.optional_host_permissions, ["http://*/*", "https://*/*"]);
    assert.equal(manifest.incognito, "not_allowed");
    assert.equal(manifest.manifest_version, 3);
  });

  test(`${browser}: extension pages may speak to loopback only, and run our scripts only`, () => {
    const policy: string = manifestOf(browser).content_security_policy.extension_pages;
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /connect-src ws:\/\/127\.0\.0\.1:\*;/);
    assert.match(policy, /script-src 'self';/);
    assert.doesNotMatch(policy, /unsafe|https?:/);
  });

  test(`${browser}: the code names no server`, () => {
    for (const path of filesBelow(join(DIST, browser)).filter((name) => /\.(?:js|html|css)$/.test(name))) {
      const found = readFileSync(path, "utf8").match(/(?:https?|wss?):\/\/[\w.-]+/g) ?? [];
      assert.deepEqual(
        found.filter((url) => url !== "ws://127.0.0.1" && url !== "http://www.w3.org"),
        [],
        path,
      );
    }
  });

  test(`${browser}: an organisation can't answer in the person's place`, () => {
    assert.equal(manifestOf(browser).storage, undefined, "there is no schema of managed settings");
    for (const path of filesBelow(join(DIST, browser)).filter((name) => name.endsWith(".js")))
      assert.doesNotMatch(readFileSync(path, "utf8"), /storage\.managed|\bmanaged\b/, path);
  });

  test(`${browser}: both languages say the same things`, () => {
    const read = (language: string) =>
      JSON.parse(readFileSync(join(DIST, browser, "_locales", language, "messages.json"), "utf8"));
    const [en, de] = [read("en"), read("de")];
    assert.deepEqual(Object.keys(en).sort(), Object.keys(de).sort());
    for (const key of Object.keys(en)) {
      const places = (text: string) => (text.match(/\$\d/g) ?? []).sort();
      assert.deepEqual(places(en[key].message), places(de[key].message), key);
    }
    assert.ok(en.description.message.length <= 132 && de.description.message.length <= 132);
  });
}

test("the same source gives the same bytes", () => {
  const digests = () =>
    BROWSERS.flatMap((browser) => filesBelow(join(DIST, browser))).map((path) => [
      path,
      createHash("sha256").update(readFileSync(path)).digest("hex"),
    ]);
  const before = digests();
  execFileSync(process.execPath, ["scripts/build.mjs"]);
  assert.deepEqual(digests(), before);
  assert.ok(before.length > 20);
});

test("the ids are those that `overt setup` writes down", () => {
  const key = Buffer.from(manifestOf("chromium").key, "base64");
  const digest = createHash("sha256").update(key).digest("hex").slice(0, 32);
  const id = [...digest].map((sign) => String.fromCharCode(97 + Number.parseInt(sign, 16))).join("");
  assert.equal(id, "fmhepkjmpkclcdnaaiehckedkjmeibll");
  assert.equal(manifestOf("firefox").browser_specific_settings.gecko.id, "browser@overt.invalid");
});

test("every text that our windows ask for is there", () => {
  const messages = JSON.parse(
    readFileSync(join(DIST, "chromium", "_locales", "en", "messages.json"), "utf8"),
  );
  const html = ["popup", "welcome", "options"]
    .map((name) => readFileSync(`src/ui/${name}.html`, "utf8"))
    .join("");
  const code = filesBelow("src")
    .filter((name) => name.endsWith(".ts"))
    .map((name) => readFileSync(name, "utf8"))
    .join("");
  const named = [
    ...[...html.matchAll(/data-t="([^"]+)"/g)].map((match) => match[1]),
    ...[...code.matchAll(/\bt\("([^"]+)"/g)].map((match) => match[1]),
    ...[...code.matchAll(/getMessage\("([^"@]+)"/g)].map((match) => match[1]),
  ];
  assert.ok(named.length > 40);
  for (const name of named) assert.ok(name !== undefined && messages[name], name);
});
