import { WorkflowState } from "../src/gen/concord/workflow/v1/workflow.ts";
import type { LaboratoryClient } from "./laboratory-client.ts";
import { failureText } from "./retry.ts";
import type { Sample } from "./scenario.ts";

export type Report = {
  /** Denials, by the rule that denied. */
  readonly vetoes: ReadonlyMap<string, number>;
  /** Answers that the scenario does not have. */
  readonly surprises: readonly string[];
};

/** Takes every sample through its steps, some at a time. `onStep` hears how many steps are done. */
export async function runSamples(options: {
  readonly client: LaboratoryClient;
  readonly samples: readonly Sample[];
  readonly concurrency: number;
  readonly signal: AbortSignal;
  readonly onStep: (done: number) => void;
}): Promise<Report> {
  const { client, samples, concurrency, signal, onStep } = options;
  const vetoes = new Map<string, number>();
  const surprises: string[] = [];
  let done = 0;

  const stepDone = (): void => {
    done += 1;
    onStep(done);
  };

  async function runSample(sample: Sample): Promise<void> {
    const registered = await client.register(sample);
    stepDone();
    if (!registered.ok) {
      surprises.push(`${sample.id} is not registered: ${failureText(registered.error)}`);
      return;
    }
    let version = registered.value.workflow.version;
    for (const [index, step] of sample.steps.entries()) {
      // Made from the work itself, so that also a restarted client would send the same one.
      const attempt = { requestId: `${sample.id}/${index + 1}`, expectedVersion: version };
      const answer = await client.askAgainIfAborted(sample.id, step, attempt);
      stepDone();
      const deniedBy = answer.ok ? [] : answer.error.preconditions.map(({ subject }) => subject);
      const expected = step.deniedBy === undefined ? answer.ok : deniedBy.includes(step.deniedBy) && deniedBy.length === 1;
      const reached = !answer.ok || answer.value.workflow.state === WorkflowState[step.to];
      if (!expected || !reached) {
        surprises.push(`${sample.id} to ${step.to} by ${step.by}: ${answer.ok ? "done" : failureText(answer.error)}`);
        return;
      }
      for (const rule of deniedBy) vetoes.set(rule, (vetoes.get(rule) ?? 0) + 1);
      if (answer.ok) ({ version } = answer.value.workflow);
    }
  }

  const queue = samples.values();
  const worker = async (): Promise<void> => {
    for (const sample of queue) {
      signal.throwIfAborted();
      await runSample(sample);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return { vetoes, surprises };
}

/** Registering is a step too. */
export function countSteps(samples: readonly Sample[]): number {
  return samples.reduce((sum, { steps }) => sum + steps.length + 1, 0);
}
