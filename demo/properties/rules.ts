import { failureText } from "../retry.ts";
import { answerOf, countsOf, nameOf, type Stage, wordOf } from "./stage.ts";

const flipCount = 20;
const workerCount = 8;

const who = { reason: "shown", requestedBy: "demo" };

export async function rules(stage: Stage): Promise<void> {
  await forbids(stage);
  await cannotPermit(stage);
  await noEngineNoMove(stage);
  await changedBeside(stage);
}

async function forbids(stage: Stage): Promise<void> {
  const { narrator, clients } = stage;
  narrator.line("A rule: who completes the work must be somebody else than who began it.");
  await clients.predicates.createRule({
    ...who,
    ruleId: "four-eyes",
    moves: [{ fromState: "WORKFLOW_STATE_ACTIVE", toState: "WORKFLOW_STATE_COMPLETED" }],
    expression: "request.requested_by != last_event.requested_by",
    message: 'request.requested_by + " has begun it; somebody else must complete it"',
  });
  await clients.predicates.activateRule({ ...who, ruleId: "four-eyes" });
  await stage.create("report");
  await stage.move("report", "ACTIVE", { requestedBy: "ada" });
  const denied = await stage.move("report", "COMPLETED", { requestedBy: "ada" });
  narrator.detail(denied.ok ? "completed" : failureText(denied.error));
  const { state, version } = await stage.look("report");
  const allowed = await stage.move("report", "COMPLETED", { requestedBy: "ben" });
  stage.shows("PredicateLogicDependency", "what a rule denies is not done, and what none denies is", [
    ...(wordOf(denied) === "RULE_DENIED" ? [] : [`ada heard ${wordOf(denied)}`]),
    ...(version === 2n ? [] : [`it was ${nameOf(state)} at version ${version} after the denial`]),
    ...(allowed.ok ? [] : [`ben heard ${wordOf(allowed)}`]),
  ]);
}

async function cannotPermit(stage: Stage): Promise<void> {
  const { narrator, clients } = stage;
  narrator.line("A rule that is true of a move that the lifecycle does not have.");
  await clients.predicates.createRule({ ...who, ruleId: "anything-goes", expression: "true" });
  await clients.predicates.activateRule({ ...who, ruleId: "anything-goes" });
  await stage.create("shortcut");
  const answer = await stage.move("shortcut", "COMPLETED");
  narrator.detail(answer.ok ? "completed" : failureText(answer.error));
  const problems = wordOf(answer) === "INVALID_TRANSITION" ? [] : [`it was answered ${wordOf(answer)}`];
  stage.shows("TransitionValidity", "a rule can only forbid", problems);
}

async function noEngineNoMove(stage: Stage): Promise<void> {
  const { narrator, servers } = stage;
  narrator.line("The predicate engine is killed. Without its word nothing moves.");
  await stage.create("orphan");
  await servers.engine.end("SIGKILL");
  const refused = await stage.move("orphan", "ACTIVE");
  narrator.detail(refused.ok ? "moved" : failureText(refused.error));
  const { version } = await stage.look("orphan");
  await servers.engine.start();
  const moved = await untilMoved(stage);
  narrator.line(`It is back, and the move is asked for again: ${wordOf(moved)}.`);
  stage.shows("PredicateLogicDependency", "no consent, no move; and the work goes on as soon as the engine is back", [
    ...(wordOf(refused) === "PREDICATE_LOGIC_UNAVAILABLE" ? [] : [`without the engine: ${wordOf(refused)}`]),
    ...(version === 1n ? [] : [`it was at version ${version}`]),
    ...(moved.ok ? [] : [wordOf(moved)]),
  ]);
}

/** The manager finds the engine by itself; how soon is not the point here. */
async function untilMoved(stage: Stage) {
  for (;;) {
    const answer = await stage.move("orphan", "ACTIVE");
    if (answer.ok || answer.error.reason !== "PREDICATE_LOGIC_UNAVAILABLE" || stage.signal.aborted) return answer;
    await new Promise((resolve) => setTimeout(resolve, answer.error.retryAfterMs ?? 100));
  }
}

async function changedBeside(stage: Stage): Promise<void> {
  const { narrator, clients } = stage;
  narrator.line(`A rule is switched on and off ${flipCount} times while workflows move.`);
  await clients.predicates.createRule({
    ...who,
    ruleId: "closed",
    moves: [{ fromState: "WORKFLOW_STATE_CREATED", toState: "WORKFLOW_STATE_ACTIVE" }],
    expression: "false",
    message: '"closed"',
  });
  const closedAt = new Set<bigint>();
  let flipping = true;
  const flip = async (): Promise<void> => {
    for (let count = 0; count < flipCount; count += 1) {
      const { ruleSetRevision } = await clients.predicates.activateRule({ ...who, ruleId: "closed" });
      closedAt.add(ruleSetRevision);
      await clients.predicates.deactivateRule({ ...who, ruleId: "closed" });
    }
    flipping = false;
  };
  const answers: Awaited<ReturnType<Stage["move"]>>[] = [];
  const work = async (worker: number): Promise<void> => {
    for (let number = 0; flipping && !stage.signal.aborted; number += 1) {
      const id = `visitor-${worker}-${number}`;
      await stage.create(id);
      answers.push(await stage.move(id, "ACTIVE"));
    }
  };
  await Promise.all([
    answerOf(flip()).finally(() => (flipping = false)),
    ...Array.from({ length: workerCount }, (_, index) => work(index)),
  ]);
  narrator.detail(countsOf(answers));
  const events = answers.flatMap((answer) => (answer.ok ? (answer.value.event ?? []) : []));
  const wrong = events.filter(({ ruleSetRevision }) => closedAt.has(ruleSetRevision)).map(({ workflowId }) => workflowId);
  const others = answers.flatMap((answer) => (answer.ok || wordOf(answer) === "RULE_DENIED" ? [] : [wordOf(answer)]));
  stage.shows("PredicateLogicDependency", "each event names the revision of the rules that allowed it", [...wrong, ...others]);
}
