import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { COMMAND_FILE, homeFolder, overtCommand } from "../src/command";

const folder = (text?: string): string => {
  const made = mkdtempSync(join(tmpdir(), "overt-command-"));
  if (text !== undefined) writeFileSync(join(made, COMMAND_FILE), text);
  return made;
};

test("the person's setting goes before what was set up", () => {
  assert.deepEqual(overtCommand("/opt/overt", folder('["/usr/bin/python3", "-m", "overt"]')), ["/opt/overt"]);
});

test("what was set up goes before the name", () => {
  assert.deepEqual(overtCommand(undefined, folder('["/usr/bin/python3", "-m", "overt"]')), ["/usr/bin/python3", "-m", "overt"]);
  assert.deepEqual(overtCommand(undefined, folder()), ["overt"]);
});

test("what makes no sense is passed over", () => {
  for (const text of ["", "{}", "[]", '[""]', '["python", 3]', '"overt"', "null"]) {
    assert.deepEqual(overtCommand(undefined, folder(text)), ["overt"], text);
  }
});

test("the folder is the one that overt itself uses", () => {
  assert.equal(homeFolder({ OVERT_HOME: "/x" }, "linux", "/home/a"), "/x");
  assert.equal(homeFolder({}, "linux", "/home/a"), "/home/a/.local/share/overt");
  assert.equal(homeFolder({ XDG_DATA_HOME: "/d" }, "linux", "/home/a"), "/d/overt");
  assert.equal(homeFolder({}, "darwin", "/Users/a"), "/Users/a/Library/Application Support/overt");
});
