import type { Span } from "../../kernel/spans.ts";
import type { Work } from "../ports.ts";
import type { Subject } from "./box.ts";
import type { Context } from "./context.ts";

type Attributes = Readonly<Record<string, string>>;

const none = (): Attributes => ({});

/**
 * Has the resource do its work below a span of its own, which goes on where the coordinator is in its trace: what the application traces meanwhile
 * is below it too. Without a trace the work is done as it is.
 */
export function traced<Given extends Pick<Work, "transactionId" | "origin">, Answer>(
  { spans, participantId }: Context,
  name: "prepare" | "commit" | "abort",
  work: Given,
  run: (work: Given) => Promise<Answer>,
  attributesOf: (answer: Answer) => Attributes = none,
): Promise<Answer> {
  const { origin: parent } = work;
  if (spans === undefined || parent === undefined) return run(work);
  const span = spans.start(name, { kind: "server", parent, attributes: attributesFor(work, participantId) });
  return below(span, () => run({ ...work, origin: span.origin }), attributesOf);
}

const attributesFor = ({ transactionId }: Subject, participantId: string) => ({
  "concord.transaction.id": transactionId,
  "concord.participant.id": participantId,
});

async function below<Answer>(
  span: Span,
  run: () => Promise<Answer>,
  attributesOf: (answer: Answer) => Attributes,
): Promise<Answer> {
  try {
    const answer = await span.run(run);
    span.end({ attributes: attributesOf(answer) });
    return answer;
  } catch (error) {
    span.end({ error: error instanceof Error ? error.name : "_OTHER" });
    throw error;
  }
}
