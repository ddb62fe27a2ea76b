import assert from "node:assert/strict";
import { test } from "node:test";
import { isDenied } from "../src/denied";

test("names that no study takes are refused before anybody is asked", () => {
  for (const path of ["/w/.env", "/w/.ENV.local", "/h/.ssh/config", "/w/id_rsa", "/w/a/server.pem", "/h/.aws/credentials", "/proc/1/environ"]) {
    assert.equal(isDenied(path), true, path);
  }
});

test("other names are left to the gate", () => {
  for (const path of ["/w/main.py", "/w/environment.ts", "/w/keys.md", "/w/process/dev.c", "/w/env/README"]) {
    assert.equal(isDenied(path), false, path);
  }
});
