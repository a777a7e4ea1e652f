import { createReadStream } from "node:fs";
import { Command } from "commander";
import { auditLineBytesMax, type Broken, createVerifier, type PlacedLine, type Verified } from "../access/audit-chain.ts";
import { counted } from "../kernel/text.ts";
import { outputOption } from "./client.ts";
import { CommandError } from "./failure.ts";
import { fieldLines, type OutputFormat, print, printAs } from "./output.ts";
import { addExamples } from "./rule/help.ts";

export function auditCommand(): Command {
  return new Command("audit").description("look at audit logs (concord serve --audit-log)").addCommand(verifyCommand());
}

type Options = { readonly includes: readonly string[]; readonly continues?: string; readonly output: OutputFormat };

function verifyCommand(): Command {
  const command = new Command("verify")
    .description(
      "say whether an audit log is as it was written, by its chain of hashes. Exit code 0: it is, from its first line on; 1: a line was changed, taken out or put in, its beginning is missing, there is no line in it, or a file cannot be read",
    )
    .argument("<file...>", "of one log; files that were moved away first, in the order in which they were written")
    .option(
      "--continues <hash>",
      "the files with the beginning are not given: the last line of them has this hash, as the log of the server, or an earlier answer, has it",
      (hash: string) => hash.toLowerCase(),
    )
    .option(
      "--includes <hash>",
      "a line must be there whose hash is this, as the log of the server, or an earlier answer, has it; may be repeated",
      (hash: string, before: readonly string[]) => [...before, hash.toLowerCase()],
      [] as readonly string[],
    )
    .addOption(outputOption());
  addExamples(command, [
    "concord audit verify audit.jsonl",
    "concord audit verify audit.jsonl.1 audit.jsonl -o json",
    "concord audit verify audit.jsonl --includes 5e0c…",
    "concord audit verify audit.jsonl --continues 5e0c…",
  ]);
  return command.action(async (files: readonly string[], { includes, continues, output }: Options) => {
    printAs(output);
    const missing = new Set(includes);
    const found = await verify(
      files,
      createVerifier((hash) => missing.delete(hash), continues),
    );
    const [absent] = missing;
    const broken = whyNot(found, absent);
    if (broken !== undefined) process.exitCode = 1;
    if (output !== "table")
      print(
        JSON.stringify(
          broken === undefined ? { ok: true, ...("verified" in found && found.verified) } : { ok: false, ...broken },
        ),
      );
    else print(broken === undefined && "verified" in found ? verifiedLines(found.verified) : brokenLine(broken));
  });
}

type NotAsWritten = Pick<Broken, "why"> & Partial<Broken>;

/** `absent`: a hash that no line has, and one should. */
function whyNot(found: Found, absent: string | undefined): NotAsWritten | undefined {
  if ("broken" in found) return found.broken;
  // A server writes a line when it starts.
  if (found.verified.lines === 0) return { why: "there is no line in it" };
  return absent === undefined ? undefined : { why: `no line has the hash ${absent}: what was written up to it is not all there` };
}

type Found = { readonly broken: Broken } | { readonly verified: Verified };

async function verify(files: readonly string[], verifier: ReturnType<typeof createVerifier>): Promise<Found> {
  for (const file of files) {
    try {
      for await (const line of linesOf(file)) {
        const broken = verifier.next(line);
        if (broken !== undefined) return { broken };
      }
    } catch (error) {
      throw new CommandError(`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return verifier.finish();
}

/** What is longer than a line may be is none, and is not read whole. */
async function* linesOf(file: string): AsyncGenerator<PlacedLine> {
  let rest: Buffer = Buffer.alloc(0);
  let number = 0;
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    let text: Buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (let end = text.indexOf(lineEnd); end !== -1; end = text.indexOf(lineEnd)) {
      number += 1;
      yield { file, number, bytes: text.subarray(0, end), isWhole: true };
      text = text.subarray(end + 1);
    }
    rest = text;
    if (rest.length > auditLineBytesMax) break;
  }
  if (rest.length > 0) yield { file, number: number + 1, bytes: rest, isWhole: rest.length > auditLineBytesMax };
}

const lineEnd = 10;

function verifiedLines({ lines, first, last, continues, torn, lost, unfinished }: Verified): readonly string[] {
  if (first === undefined || last === undefined) return [];
  const notes = [
    ...(continues === undefined
      ? []
      : [`lines 1 to ${first.sequence - 1} were not looked at: the hash of the last of them was given, ${continues}`]),
    ...(torn === 0 ? [] : [`${counted(torn, "line")} was cut off when a process died, and told by the next`]),
    ...(lost === 0 ? [] : [`${counted(lost, "line")} could not be written, and the log says where`]),
    ...(unfinished ? ["the last line has no end: it is being written, or its process has died"] : []),
  ];
  return [
    ...fieldLines([
      ["lines", String(lines)],
      ["first", `${first.sequence}, ${first.at}`],
      ["last", `${last.sequence}, ${last.at}`],
      ["hash", last.hash],
    ]),
    ...notes,
    "it is as it was written",
  ];
}

const brokenLine = (broken: NotAsWritten | undefined): string => {
  const place = broken?.file === undefined ? "" : `${broken.file}, line ${broken.number}: `;
  return `${place}${broken?.why}`;
};
