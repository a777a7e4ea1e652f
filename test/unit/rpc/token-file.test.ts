import { execFileSync, spawn } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { securityFrom } from "../../../src/rpc/clients/security-options.ts";
import { tokenFile } from "../../../src/rpc/clients/token-file.ts";
import { storageDir } from "../../support/storage-dir.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
afterEach(() => void vi.useRealTimers());

test("a token is read anew when its file changes, and goes on while there is none", () => {
  const path = join(storageDir(), "token");
  writeFileSync(path, "one\n");
  const token = tokenFile(path);
  expect(token()).toBe("one");
  writeFileSync(path, "two-\n");
  vi.advanceTimersByTime(50);
  expect(token()).toBe("two-");
  rmSync(path);
  vi.advanceTimersByTime(50);
  expect(token()).toBe("two-");
  writeFileSync(path, "not a token");
  vi.advanceTimersByTime(50);
  expect(token()).toBe("two-");
  writeFileSync(path, "three");
  vi.advanceTimersByTime(50);
  expect(token()).toBe("three");
});

test("one that comes through a pipe is read once, and goes on", () => {
  const path = join(storageDir(), "pipe");
  execFileSync("mkfifo", [path]);
  const writing = spawn("sh", ["-c", `echo piped > ${path}`]);
  const token = tokenFile(path);
  vi.advanceTimersByTime(50);
  expect([token(), token()]).toEqual(["piped", "piped"]);
  writing.kill();
});

test("what cannot be a token is refused at once, and not repeated", () => {
  const path = join(storageDir(), "token");
  expect(() => tokenFile(path)).toThrow(/the token cannot be read from .*ENOENT/);
  writeFileSync(path, "se cret");
  expect(() => tokenFile(path)).toThrow(`${path} holds no token: letters, digits and -._~+/, without blanks`);
  expect(() => securityFrom({ token: "se\ncret" })).toThrow(/^token holds no token: [^\n]*blanks$/);
  expect(() => securityFrom({ token: "a", tokenFile: path })).toThrow("give one of them");
  expect(securityFrom({}).token).toBeUndefined();
});
