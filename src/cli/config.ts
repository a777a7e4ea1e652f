import { Command } from "commander";
import { settingNames } from "../config.ts";
import { type ClientOptions, outputOption } from "./client.ts";
import { print, printAs, tableLines } from "./output.ts";
import { addSettingOptions, readConfig } from "./settings.ts";

export function configCommand(): Command {
  const command = new Command("config")
    .description("print the effective configuration of `serve`, and where each value comes from")
    .addOption(outputOption());
  return addSettingOptions(command).action((flags: Readonly<Record<string, unknown>> & Pick<ClientOptions, "output">) => {
    printAs(flags.output);
    const { origins } = readConfig(flags);
    if (flags.output !== "table") {
      print(
        JSON.stringify(Object.fromEntries(origins.map(({ name, value, source }) => [name, { value: value ?? null, source }]))),
      );
      return;
    }
    const rows = settingNames.map((name) => {
      const origin = origins.find((candidate) => candidate.name === name);
      return [name, String(origin?.value ?? "-"), origin?.source ?? "default"];
    });
    print(tableLines(["setting", "value", "source"], rows));
  });
}
