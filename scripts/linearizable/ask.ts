import { ClientError } from "nice-grpc";
import type { Clients } from "../../src/cli/client.ts";
import { clientFailure } from "../../src/rpc/errors.ts";
import { ask, type Heard, type Verb } from "../../test/support/workflow-model.ts";
import { participantId } from "./world.ts";

/** What one caller knows of a call. */
export type Known =
  | { readonly type: "answered"; readonly heard: Heard }
  /** It was refused for what has nothing to do with the workflows, and nothing was done: nobody may see that it was. */
  | { readonly type: "not-done" }
  /** It may have been done, or may be later. */
  | { readonly type: "unknown" };

/** A caller waits no longer. */
const deadlineMs = 10_000;

const notDone = /\b(PREDICATE_LOGIC_UNAVAILABLE|OVERLOADED|IN_TRANSITION|TRANSACTION_ABORTED)\b/;
const unknown = /\b(OUTCOME_PENDING|COORDINATOR_UNAVAILABLE|STORAGE_UNAVAILABLE|SHUTTING_DOWN)\b/;

/** Asks over gRPC; half of the moves are made in a transaction with another participant, the same ones when they are asked again. */
export async function askOver(clients: Clients, verb: Verb, scope: string): Promise<Known> {
  try {
    return knownOf(await ask(withDeadlines(clients, isEnlisted(verb)), verb, scope));
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    const { reason } = clientFailure(error);
    // The connection broke, the server was gone, or time was up.
    if (reason === undefined) return { type: "unknown" };
    const known = knownOf(reason);
    if (known.type === "answered") throw error;
    return known;
  }
}

function knownOf(heard: Heard): Known {
  if (unknown.test(heard)) return { type: "unknown" };
  return notDone.test(heard) ? { type: "not-done" } : { type: "answered", heard };
}

export const isEnlisted = (verb: Verb): boolean => (verb.type === "move" || verb.type === "batch") && digest(verb) % 2 === 0;

const digest = (verb: Verb): number => [...JSON.stringify(verb)].reduce((sum, letter) => sum + letter.charCodeAt(0), 0);

const together = { enlist: [{ participantId }], waitForParticipants: { seconds: 1n, nanos: 0 } };

/** The same clients, whose calls end, and whose moves enlist another one if they are to. */
function withDeadlines(clients: Clients, enlists: boolean): Clients {
  const workflows = new Proxy(clients.workflows, {
    get(target, name) {
      const call = Reflect.get(target, name) as (request: object, options: object) => unknown;
      const moves = name === "transitionWorkflow" || name === "batchTransitionWorkflows";
      return (request: object) => call({ ...request, ...(enlists && moves && together) }, { deadline: deadlineMs });
    },
  });
  return { ...clients, workflows };
}
