import { InvalidArgumentError } from "commander";
import { afterEach, describe, expect, test } from "vitest";
import {
  addressArgument,
  collect,
  durationArgument,
  integerArgument,
  jsonArgument,
  timeoutArgument,
} from "../../../src/cli/arguments.ts";
import { UsageError } from "../../../src/cli/failure.ts";
import { participantCommand } from "../../../src/cli/participant.ts";
import { participantsCommand } from "../../../src/cli/participants.ts";
import { readConfig } from "../../../src/cli/settings.ts";
import { txCommand } from "../../../src/cli/tx.ts";
import { workflowCommand } from "../../../src/cli/workflow.ts";

describe("arguments", () => {
  test.each([
    { text: "250ms", ms: 250 },
    { text: "1.5s", ms: 1_500 },
    { text: "2m", ms: 120_000 },
  ])("$text is $ms ms", ({ text, ms }) => {
    expect(durationArgument(text)).toBe(ms);
  });

  test.each([
    { parse: durationArgument, texts: ["", "5", "-1s", "1 hour", "1e3ms"] },
    { parse: durationArgument, texts: ["99999999999999999999s", `${"9".repeat(400)}h`] },
    { parse: jsonArgument, texts: ["", "{", "[1]", "null", "7", '"text"'] },
  ])("$parse.name refuses what is none", ({ parse, texts }) => {
    for (const text of texts) expect(() => parse(text), text).toThrow(InvalidArgumentError);
  });

  test("how long to wait is more than nothing", () => {
    for (const text of ["0", "0s", "0.0ms", "00"])
      expect(() => timeoutArgument(text), text).toThrow("It must be above 0, such as");
    expect(["1ms", "0.5s"].map(timeoutArgument)).toEqual([1, 500]);
    expect(() => timeoutArgument("5")).toThrow("write 5s");
  });

  test.each([
    [`unix:/${"é".repeat(53)}`, undefined],
    [`unix:/${"é".repeat(53)}a`, "It must have a shorter path: it has 108 of 107 bytes."],
    ["unix:./rel", "It must have an absolute path of a socket, such as unix:/run/concord.sock."],
    ["unix:/", "It must have an absolute path of a socket, such as unix:/run/concord.sock."],
    ["unix:", "It must be host:port, such as 127.0.0.1:50051, or unix:/path of a socket."],
    ["127.0.0.1:0", "It must be host:port, such as 127.0.0.1:50051, or unix:/path of a socket."],
  ])("an address that is none: what would be right: %s", (text, words) => {
    if (words === undefined) expect(addressArgument(text)).toBe(text);
    else expect(() => addressArgument(text)).toThrow(words);
  });

  test("a duration that is none: all units are named", () => {
    expect(() => durationArgument("5")).toThrow("250ms, 2s, 1m, 1h or 30d");
    expect(() => durationArgument("5")).toThrow("write 5s");
  });

  test.each([
    ...txCommand().commands.map((command) => ({ name: `tx ${command.name()}`, command })),
    ...workflowCommand().commands.map((command) => ({ name: `workflow ${command.name()}`, command })),
    { name: "participants", command: participantsCommand() },
    { name: "participant", command: participantCommand() },
  ])("the help of $name shows durations as people write them", ({ command }) => {
    const durations = command.options.filter(
      ({ flags, defaultValue }) => flags.includes("<duration>") && defaultValue !== undefined,
    );
    for (const { defaultValueDescription = "", defaultValue } of durations)
      expect(durationArgument(defaultValueDescription)).toBe(defaultValue);
  });

  test.each(["", "1.5", "0x10", "1e3", "NaN", "-13", "13", "99999999999999999999", "9".repeat(400)])(
    "an integer out of bounds is refused with them: %j",
    (text) => {
      expect(() => integerArgument(-12, 12)(text)).toThrow("It must be a whole number from -12 to 12.");
    },
  );

  test("integers and objects", () => {
    expect(["-12", "0", "12"].map(integerArgument(-12, 12))).toEqual([-12, 0, 12]);
    expect(jsonArgument('{"site":"B"}')).toEqual({ site: "B" });
  });

  test("an option that is given more than once is a list", () => {
    const add = collect(integerArgument(0, 9));
    expect(add("2", add("1", undefined))).toEqual([1, 2]);
  });
});

describe("readConfig", () => {
  afterEach(() => {
    delete process.env["CONCORD_MAX_WORKFLOWS"];
  });

  test("throws everything that is wrong at once, each with its source", () => {
    process.env["CONCORD_MAX_WORKFLOWS"] = "-1";
    const read = () => readConfig({ listen: "nowhere", predicateTimeout: "soon" });
    expect(read).toThrow(UsageError);
    expect(read).toThrow(
      /listen: "nowhere" \(flag --listen\).*\n.*predicate-timeout: "soon".*\n.*max-workflows: "-1" \(environment CONCORD_MAX_WORKFLOWS\)/,
    );
  });

  test("flags win over the environment", () => {
    process.env["CONCORD_MAX_WORKFLOWS"] = "5";
    expect(readConfig({}).config.maxWorkflows).toBe(5);
    expect(readConfig({ maxWorkflows: "7" }).config.maxWorkflows).toBe(7);
  });
});
