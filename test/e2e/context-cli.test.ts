import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startServer, type TestServer, temporaryFolder } from "../support/concord.ts";
import { runConcord } from "../support/process.ts";
import { typed } from "../support/typed.ts";

// `concord context`: where Concords are, under names; and which one a command asks.

const data = temporaryFolder();
const environment = { ...process.env };
let home: ReturnType<typeof temporaryFolder>;
let one: TestServer;
let rules: TestServer;

beforeAll(async () => {
  one = await startServer({ dataDir: join(data.path, "one"), services: "workflow,commit", predicateAddress: "127.0.0.1:1" });
  rules = await startServer({ dataDir: join(data.path, "rules"), services: "predicate" });
  await rules.clients.predicates.createRule({ ruleId: "elsewhere", expression: "true", reason: "a test", requestedBy: "ada" });
});

afterAll(async () => {
  await one.stop();
  await rules.stop();
  data.remove();
});

beforeEach(() => {
  home = temporaryFolder();
  Object.assign(process.env, { XDG_CONFIG_HOME: home.path });
});

afterEach(() => {
  process.env = { ...environment };
  home.remove();
});

const file = () => join(home.path, "concord/contexts.yaml");

/** An empty address is as good as none. */
const concord = (...args: readonly string[]) => typed(args, { address: "" });

test("add, use, list, show, remove: kept in a file that only its owner may read", async () => {
  expect(await concord("context", "list", "-o", "json")).toEqual({ code: 0, out: "", err: "" });
  expect(await concord("context", "add", "near", "--address", "127.0.0.1:1", "--timeout", "2s")).toMatchObject({
    out: "near is in use\n",
  });
  expect((await concord("context", "add", "far", "--address", "[::1]:2", "--commit-address", "c:3")).out).toContain(
    "context use far",
  );
  expect([statSync(file()).mode & 0o777, statSync(join(home.path, "concord")).mode & 0o777]).toEqual([0o600, 0o700]);
  chmodSync(file(), 0o644);
  await concord("context", "use", "far");
  expect(statSync(file()).mode & 0o777).toBe(0o600);
  expect((await concord("context", "list")).out).toBe(
    [
      "   CONTEXT  ADDRESS      PREDICATE  COMMIT  TIMEOUT",
      "*  far      [::1]:2      -          c:3     -",
      "   near     127.0.0.1:1  -          -       2s",
      "",
    ].join("\n"),
  );
  expect((await concord("context", "show")).out).toContain("address: [::1]:2\n");
  expect(JSON.parse((await concord("context", "show", "near", "-o", "json")).out)).toEqual({
    ...{ name: "near", address: "127.0.0.1:1", timeout: "2s", inUse: false },
  });
  expect((await concord("context", "remove", "far")).out).toBe("far is forgotten; none is in use\n");
  expect(readFileSync(file(), "utf8")).toBe("contexts:\n  near:\n    address: 127.0.0.1:1\n    timeout: 2s\n");
});

test("what is wrong is said, with what to do; nothing is written over", async () => {
  await concord("context", "add", "production", "--address", "127.0.0.1:1");
  const again = await concord("context", "add", "production", "--address", "127.0.0.1:2");
  expect(again).toMatchObject({ code: 2, err: expect.stringContaining("--replace") });
  const slip = await concord("context", "use", "prodution");
  expect(slip).toMatchObject({ code: 2, err: expect.stringContaining("did you mean production?") });
  writeFileSync(file(), "contexts: { production: { adress: x } }");
  const broken = await concord("workflow", "list");
  expect(broken).toMatchObject({ code: 2, err: expect.stringContaining(`${file()}: contexts.production`) });
});

describe("which one is asked", () => {
  const askedBy = async (args: readonly string[], address = ""): Promise<string | undefined> => {
    const { err } = await typed(args, { address });
    return /no Concord answers at 127\.0\.0\.1:(\d)/.exec(err)?.[1];
  };
  const list = ["tx", "list"];

  test("flags before the environment, that before the one in use, and a flag's address before its name", async () => {
    for (const name of ["1", "2", "3"]) await concord("context", "add", name, "--address", `127.0.0.1:${name}`);
    expect(await askedBy(list)).toBe("1");
    Object.assign(process.env, { CONCORD_CONTEXT: "2" });
    expect(await askedBy(list)).toBe("2");
    expect(await askedBy(list, "127.0.0.1:4")).toBe("4");
    expect(await askedBy([...list, "--context", "3"], "127.0.0.1:4")).toBe("3");
    expect(await askedBy(["--context", "3", ...list], "127.0.0.1:4")).toBe("3");
    expect(await askedBy(["--context", "3", "rule", "fact", "list"], "127.0.0.1:4")).toBe("3");
    expect(await askedBy([...list, "--context", "3", "--address", "127.0.0.1:5"])).toBe("5");
    // There, --context is what rules look at.
    expect(await askedBy(["--context", "3", "workflow", "moves", "wf-1", "--context", "{}"])).toBe("3");
  });

  test("of services in several processes, each where it is", async () => {
    const away = ["--predicate-address", rules.address, "--commit-address", "127.0.0.1:6"];
    await concord("context", "add", "split", "--address", one.address, ...away);
    expect((await concord("workflow", "list")).code).toBe(0);
    expect((await concord("rule", "list")).out).toContain("elsewhere");
    expect(await askedBy(list)).toBe("6");
  });

  test("a participant, too, goes to its coordinator", async () => {
    await concord("context", "add", "split", "--address", rules.address, "--commit-address", one.address);
    const joined = runConcord(["participant", "till", "--data-dir", data.path]);
    await joined.logged("connected");
    expect(await joined.terminate()).toBe(0);
    const lost = runConcord(["participant", "till", "--data-dir", data.path, "--context", "splt"]);
    expect(await lost.exited).toBe(2);
    expect(lost.log).toMatchObject([{ level: "fatal", msg: expect.stringContaining("did you mean split?") }]);
  });

  test("its timeout holds, unless another is said", async () => {
    await concord("context", "add", "slow", "--address", "127.0.0.1:1", "--timeout", "30d");
    expect((await concord("tx", "list", "--timeout", "1s")).code).toBe(1);
    expect((await concord("context", "show")).out).toContain("30d");
  });
});
