import type { Command } from "commander";
import { environmentName, type LoadedConfig, loadConfig, settingHelp, settingNames } from "../config.ts";
import { UsageError } from "./failure.ts";

/** A flag for every setting, with its environment variable in the help. */
export function addSettingOptions(command: Command): Command {
  command.option("--config <file>", `a YAML file of settings [env: ${environmentName("config")}]`);
  for (const name of settingNames) {
    command.option(`--${name} <value>`, `${settingHelp(name)} [env: ${environmentName(name)}]`);
  }
  return command;
}

/** Throws a `UsageError` that lists everything that is wrong, not only the first. */
export function readConfig(flags: Readonly<Record<string, unknown>>): LoadedConfig {
  const file = flags["config"] ?? process.env[environmentName("config")];
  const loaded = loadConfig({
    flags,
    environment: process.env,
    file: typeof file === "string" && file !== "" ? file : undefined,
  });
  if (!loaded.ok) throw new UsageError(loaded.error.map(({ message }) => message).join("\n       "));
  return loaded.value;
}
