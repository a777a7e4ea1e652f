import type { Workflow, WorkflowEvent, WorkflowState } from "../../gen/concord/workflow/v1/workflow.ts";

/** A move that the lifecycle has. */
export type PossibleMove = {
  readonly workflow: Workflow;
  readonly targetState: WorkflowState;
  readonly lastEvent?: WorkflowEvent | undefined;
  readonly context?: { readonly [key: string]: unknown } | undefined;
};

/** Below the 62,000 fields that a request may have. */
const fieldsMax = 50_000;

/** Below the 4 MiB that a message may have, unless the server is told otherwise. */
const charactersMax = 500_000;

/** So that there is progress to be seen, and no call takes long. */
const countMax = 200;

/** As many together as fit into one request; one fits always. */
export function batchesOf<Move extends PossibleMove>(moves: readonly Move[]): readonly (readonly Move[])[] {
  const batches: Move[][] = [];
  let fields = 0;
  let characters = 0;
  for (const move of moves) {
    const size = sizeOf(move);
    fields += size.fields;
    characters += size.characters;
    const last = batches.at(-1);
    if (last !== undefined && last.length < countMax && fields <= fieldsMax && characters <= charactersMax) last.push(move);
    else {
      batches.push([move]);
      ({ fields, characters } = size);
    }
  }
  return batches;
}

/** What is beside the metadata. */
const ownFields = 40;

/** What is beside it: ids, people, reasons. */
const ownCharacters = 2_000;

function sizeOf({ workflow, lastEvent, context = {} }: PossibleMove): { readonly fields: number; readonly characters: number } {
  const metadata = [workflow.metadata ?? {}, lastEvent?.metadata ?? {}, context];
  return { fields: ownFields + fieldCount(metadata), characters: ownCharacters + JSON.stringify(metadata).length };
}

/** On the wire: an entry of a map is four, with its value. */
function fieldCount(value: unknown): number {
  if (typeof value !== "object" || value === null) return 4;
  return Object.values(value).reduce<number>((sum, each) => sum + fieldCount(each), 4);
}
