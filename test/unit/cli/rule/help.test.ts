import type { Command } from "commander";
import { expect, test } from "vitest";
import { ruleCommand } from "../../../../src/cli/rule.ts";

const leaves = (command: Command): readonly Command[] =>
  command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);

const pathOf = (command: Command): string =>
  command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;

function helpOf(command: Command): string {
  let help = "";
  command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
  return help;
}

const commands = leaves(ruleCommand()).map((command) => ({ name: pathOf(command), command }));

/** They ask no server. */
const offline = ["rule lint", "rule test"];

test.each(commands)("concord $name: its help has examples of it, that it understands", ({ name, command }) => {
  if (offline.includes(name)) return;
  const examples = helpOf(command).split("\nExamples:\n")[1]?.trimEnd().split("\n") ?? [];
  expect(examples.length).toBeGreaterThan(0);
  for (const example of examples) {
    expect(example).toMatch(new RegExp(`^  \\$ concord ${name}( |$)`));
    for (const [flag] of example.replaceAll(/'[^']*'/g, "").matchAll(/--[a-z-]+/g))
      expect(command.options.map(({ long }) => long)).toContain(flag);
  }
});

test.each(commands)(
  "concord $name prints for programs, too; a change takes a request id, a reason and a name",
  ({ name, command }) => {
    if (offline.includes(name)) return;
    const flags = command.options.map(({ long }) => long);
    expect(flags).toEqual(expect.arrayContaining(["--output", "--address", "--timeout"]));
    const ofChanges = ["--reason", "--by", "--request-id"].map((flag) => flags.includes(flag));
    // A check has a reason and a name, for the rules to look at.
    expect(new Set(ofChanges).size).toBe(1);
  },
);
