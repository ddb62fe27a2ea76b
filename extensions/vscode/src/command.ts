// How overt itself is started: as the person set it, else as `overt setup vscode` wrote it down, else by its name.

import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Where `overt setup` writes the command, in the person's own data folder. */
export const COMMAND_FILE = "command.json";

/** The folder of the person's installation, as overt itself finds it. */
export function homeFolder(environment: NodeJS.ProcessEnv, platform: NodeJS.Platform, user = homedir()): string {
  if (environment.OVERT_HOME) return environment.OVERT_HOME;
  if (platform === "darwin") return join(user, "Library", "Application Support", "overt");
  if (platform === "win32") return join(environment.LOCALAPPDATA || join(user, "AppData", "Local"), "overt");
  return join(environment.XDG_DATA_HOME || join(user, ".local", "share"), "overt");
}

/** The words that start overt. `chosen` is the person's setting, if there is one. */
export function overtCommand(chosen: string | undefined, home: string): readonly [string, ...string[]] {
  if (chosen) return [chosen];
  try {
    const [program, ...rest] = (JSON.parse(readFileSync(join(home, COMMAND_FILE), "utf8")) as unknown[]).map(word);
    return program === undefined ? ["overt"] : [program, ...rest];
  } catch {
    return ["overt"];
  }
}

function word(value: unknown): string {
  if (typeof value !== "string" || value === "") throw new TypeError("not a command");
  return value;
}
