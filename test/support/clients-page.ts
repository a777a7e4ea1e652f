import { readFileSync } from "node:fs";
import { join } from "node:path";

const [introduction = "", ...sections] = readFileSync(join(import.meta.dirname, "../../docs/clients.md"), "utf8").split(/^## /m);

const blocks = (text: string, language: string) =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"))].map(([, lines = ""]) => lines);

/** What a reader of docs/clients.md pastes for a language. */
export const commandsOf = (title: string): string =>
  blocks(sections.find((each) => each.startsWith(`${title}\n`)) ?? "", "sh").join("");

/** What goes before it, of those that make their client from the contract. */
export const copyOfContract = blocks(introduction, "").join("");
