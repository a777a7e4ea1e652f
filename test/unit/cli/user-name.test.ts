import { expect, test, vi } from "vitest";
import { userName } from "../../../src/cli/user-name.ts";

const unknown = () => {
  throw Object.assign(new Error("uv_os_get_passwd returned ENOENT"), { code: "ERR_SYSTEM_ERROR" });
};

test("a user without an entry in passwd, as of a container, is named by the environment, or by number", () => {
  vi.stubEnv("LOGNAME", "");
  vi.stubEnv("USER", "ada");
  expect(userName(unknown)).toBe("ada");
  vi.stubEnv("USER", "");
  expect(userName(unknown)).toBe(`uid ${process.getuid?.()}`);
  vi.unstubAllEnvs();
});
