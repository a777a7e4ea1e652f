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

type Options = { readonly includes: readonly string[]; readonly output: OutputFormat };

function verifyCommand(): Command {
  const command = new Command("verify")
    .description(
      "say whether an audit log is as it was written, by its chain of hashes. Exit code 0: it is; 1: a line was changed, taken out or put in, or a file cannot be read",
    )
    .argument("<file...>", "of one log; files that were moved away first, in the order in which they were written")
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
  ]);
  return command.action(async (files: readonly string[], { includes, output }: Options) => {
    printAs(output);
    const missing = new Set(includes);
    const found = await verify(files, (hash) => missing.delete(hash));
    const [absent] = missing;
    const broken: Pick<Broken, "why"> | undefined =
      "broken" in found
        ? found.broken
        : absent === undefined
          ? undefined
          : { why: `no line has the hash ${absent}: what was written up to it is not all there` };
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

type Found = { readonly broken: Broken } | { readonly verified: Verified };

async function verify(files: readonly string[], seen: (hash: string) => void): Promise<Found> {
  const verifier = createVerifier(seen);
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
  if (first === undefined || last === undefined) return ["there is no line in it"];
  const notes = [
    ...(continues === undefined
      ? []
      : [`the lines before the first are in another file: its last line has the hash ${continues}`]),
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

const brokenLine = (broken: (Pick<Broken, "why"> & Partial<Broken>) | undefined): string => {
  const place = broken?.file === undefined ? "" : `${broken.file}, line ${broken.number}: `;
  return `${place}${broken?.why}`;
};
