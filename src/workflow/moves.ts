import { assert } from "../kernel/assert.ts";
import { err, ok, type Result } from "../kernel/result.ts";
import { atOnce } from "./at-once.ts";
import {
  type Answer,
  type Attempts,
  earlierAnswer,
  earlierAnswers,
  inSlices,
  judgeAll,
  judgeAndWrite,
  type Moves,
  movesOf,
  raceCountMax,
  rememberAnswers,
  stampOf,
} from "./attempt.ts";
import type { Call } from "./calls.ts";
import { deadlineProblem } from "./core/deadline.ts";
import { applyMove } from "./core/step.ts";
import { errorOfOne, type ItemsRefused, type ManagerError, type MovesError } from "./errors.ts";
import { judgedAtOnceMax } from "./limits.ts";
import { type OwnPart, participantsOf, type Together } from "./own-part.ts";

type Outcome = Result<readonly Answer[], MovesError>;

/** Makes moves: one, or several of one store. specs/WorkflowManager.tla: Precheck, Verdict, Write, of each of them. */
export function createMoves(dependencies: Attempts & { readonly ownPart: OwnPart }) {
  const { store, environment, turns, ownPart } = dependencies;

  /** What is wrong with the deadlines that they would set, as of now. */
  function deadlinesRefused({ commands }: Moves): ItemsRefused | undefined {
    const errors = commands.map(({ move: { targetState, deadline } }): ManagerError | undefined => {
      const problem = deadline && deadlineProblem(targetState, deadline, environment.nowMs());
      return problem && { type: "deadline-invalid", problem };
    });
    return errors.some((error) => error !== undefined) ? { type: "items-refused", errors } : undefined;
  }

  /** All in one write batch, or none. */
  async function allAtOnce(moves: Moves, call: Call): Promise<Outcome> {
    const earlier = await earlierAnswers(dependencies, moves);
    if (earlier !== undefined) return earlier;
    const wrong = deadlinesRefused(moves);
    if (wrong !== undefined) return err(wrong);
    const moved = await judgeAndWrite(dependencies, moves, undefined, call, async (judged) => {
      const wanted = judged.map((each, index) => ({ ...each, command: moves.commands[index] }));
      const changes = await inSlices(wanted, turns(), ({ workflow, consent, command }) => {
        assert(command !== undefined, "what is judged was asked for");
        return {
          before: workflow,
          ...applyMove(workflow, command.move, consent, stampOf(environment, workflow.type), undefined),
        };
      });
      const applied = await store.apply({
        puts: changes.map(({ before, workflow }) => ({
          workflow,
          expected: { version: before.version, heldBy: undefined },
          keeps: "metadata",
        })),
        events: changes.map(({ event }) => event),
        ...rememberAnswers(
          moves.commands.map(({ move }) => move.request),
          environment,
        ),
      });
      if (!applied.ok) return applied;
      assert(applied.value.length === changes.length, "EventPerChange");
      return ok(changes.flatMap(({ workflow }, index) => answerOf(workflow, applied.value[index])));
    });
    if (moved.ok) return moved;
    // What it lost to may have been its original, whose answer is then the answer.
    const original = await ownPart.earlier(moves, call);
    if (original !== undefined) return original;
    if (moved.error.type !== "request-exists") return err(moved.error);
    // Of a batch that was made so long ago that some of its answers are forgotten. A move by itself has one answer.
    assert(moves.commands.length > 1 && moves.request !== undefined, "AtMostOncePerRequestId");
    return err({ type: "request-id-reused", requestId: moves.request.id });
  }

  async function allTogether(moves: Moves, together: Together, call: Call): Promise<Outcome> {
    const transaction = { transactionId: undefined, participantIds: participantsOf(together) };
    for (let attempt = 1; ; attempt += 1) {
      const earlier = await ownPart.earlier(moves, call);
      if (earlier !== undefined) return earlier;
      const wrong = deadlinesRefused(moves);
      if (wrong !== undefined) return err(wrong);
      // What is refused already needs no transaction. The prepare judges again, for what is true now may not be true then.
      const judged = await judgeAll(dependencies, moves, transaction, call);
      const moved = judged.ok ? await ownPart.run(moves, together, call) : judged;
      if (moved.ok) return moved;
      if (!hasMetItself(moves, moved.error) || attempt === raceCountMax) {
        return (await earlierAnswers(dependencies, moves)) ?? moved;
      }
    }
  }

  return {
    all: (moves: Moves, together: Together | undefined, call: Call): Promise<Outcome> =>
      together === undefined ? allAtOnce(moves, call) : allTogether(moves, together, call),

    /** Each by itself, many at a time: one cannot tell whether others were made before it, for no other is of its workflow. */
    async each(moves: Moves, call: Call): Promise<Result<readonly Result<Answer, ManagerError>[], ManagerError>> {
      const earlier = await earlierAnswer(store, moves.request);
      if (earlier !== undefined && !earlier.ok) return earlier;
      const results: Result<Answer, ManagerError>[] = [];
      await atOnce([...moves.commands.entries()], judgedAtOnceMax, turns(call.signal), async ([index, command]) => {
        const moved = await allAtOnce(movesOf(command), call);
        results[index] = moved.ok ? ok(moved.value[0] as Answer) : err(errorOfOne(moved.error));
      });
      return ok(results);
    },
  };
}

const answerOf = (workflow: Answer["workflow"], event: Answer["event"] | undefined): readonly Answer[] =>
  event === undefined ? [] : [{ workflow, event }];

/** What holds a workflow is an attempt of the same request. */
const hasMetItself = ({ commands }: Moves, error: MovesError): boolean =>
  error.type === "items-refused" &&
  error.errors.some((each, index) => {
    const request = commands[index]?.move.request;
    return request !== undefined && each?.type === "in-transition" && each.heldFor === request.id;
  });
