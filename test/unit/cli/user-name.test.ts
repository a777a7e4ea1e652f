import * as os from "node:os";
import { expect, test, vi } from "vitest";
import { userName } from "../../../src/cli/user-name.ts";

vi.mock("node:os", { spy: true });

test("a user without an entry in passwd, as of a container, is named by the environment, or by number", () => {
  vi.mocked(os.userInfo).mockImplementation(() => {
    throw Object.assign(new Error("uv_os_get_passwd returned ENOENT"), { code: "ERR_SYSTEM_ERROR" });
  });
  vi.stubEnv("LOGNAME", "");
  vi.stubEnv("USER", "ada");
  expect(userName()).toBe("ada");
  vi.stubEnv("USER", "");
  expect(userName()).toBe(`uid ${process.getuid?.()}`);
  vi.unstubAllEnvs();
});
