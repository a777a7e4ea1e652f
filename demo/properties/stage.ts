import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ClientError } from "nice-grpc";
import { type Clients, connect } from "../../src/cli/client.ts";
import { enumText } from "../../src/cli/output.ts";
import { WorkflowState as WireState, Workflow } from "../../src/gen/concord/workflow/v1/workflow.ts";
import type { TransitionWorkflowRequest } from "../../src/gen/concord/workflow/v1/workflow_service.ts";
import { err, ok, type Result } from "../../src/kernel/result.ts";
import { openChannel } from "../../src/rpc/clients/channel.ts";
import { type ClientFailure, clientFailure } from "../../src/rpc/errors.ts";
import type { Narrator } from "../narrator.ts";
import { createProcess, type DemoProcess } from "../process.ts";
import type { Processes } from "../run-demo.ts";

/** Two processes, each with its own data: the predicate engine, and the workflow manager with a coordinator. */
export type Servers = Processes & {
  readonly engine: DemoProcess;
  readonly manager: DemoProcess;
  start(): Promise<Clients>;
  /** In order; true if each one ended well. */
  stop(): Promise<boolean>;
};

export function createServers(folder: string): Servers {
  const addresses = new Map<string, string>();
  const channels: ReturnType<typeof openChannel>[] = [];
  mkdirSync(join(folder, "logs"));
  const server = (name: string, services: string, peers: () => readonly string[]): DemoProcess =>
    createProcess({
      name,
      // The first start chooses a port; every other one keeps it.
      args: () => [
        ...["serve", "--services", services, "--data-dir", join(folder, name)],
        ...["--listen", addresses.get(name) ?? "127.0.0.1:0", ...peers()],
      ],
      readyMessage: "serving",
      logFile: join(folder, "logs", `${name}.log`),
    });
  const engine = server("engine", "predicate", () => []);
  const manager = server("manager", "commit,workflow", () => ["--predicate-address", addresses.get("engine") ?? ""]);

  async function clientsOf(process: DemoProcess): Promise<Clients> {
    const { listen } = await process.start();
    addresses.set(process.name, String(listen));
    const channel = openChannel(String(listen));
    channels.push(channel);
    return connect(channel);
  }

  const killNow = (): void => {
    for (const process of [engine, manager]) process.killNow();
  };

  return {
    engine,
    manager,
    async start() {
      const { predicates } = await clientsOf(engine);
      return { ...(await clientsOf(manager)), predicates };
    },
    async stop() {
      return (await manager.end("SIGTERM")) === 0 && (await engine.end("SIGTERM")) === 0;
    },
    killNow,
    async close() {
      killNow();
      for (const channel of channels) channel.close();
      await Promise.all([engine, manager].map((process) => process.end("SIGKILL")));
    },
  };
}

export type Stage = ReturnType<typeof createStage>;

/** What a demo does and finds. */
export function createStage(options: {
  readonly servers: Servers;
  readonly clients: Clients;
  readonly narrator: Narrator;
  readonly signal: AbortSignal;
}) {
  const { clients, narrator, signal } = options;
  const { workflows } = clients;
  let broken = 0;

  type Move = Partial<TransitionWorkflowRequest>;

  return {
    ...options,

    create: (workflowId: string) => answerOf(workflows.createWorkflow({ workflowId, requestedBy: "demo" }, { signal })),

    move: (workflowId: string, to: StateName, more: Move = {}) => {
      const request = { workflowId, targetState: WireState[to], reason: "shown", requestedBy: "demo", ...more };
      return answerOf(workflows.transitionWorkflow(request, { signal }));
    },

    async look(workflowId: string): Promise<Workflow> {
      const { workflow } = await workflows.getWorkflow({ workflowId }, { signal });
      return workflow ?? Workflow.fromPartial({});
    },

    /** Of one workflow, or of all, in the order of their sequence. */
    async events(workflowId = "") {
      const { events } = await workflows.listWorkflowEvents({ workflowId, pageSize: 1000 }, { signal });
      return events;
    },

    /** A property of the specs holds, as far as this demo can see; or what speaks against it. */
    shows(property: string, claim: string, problems: readonly string[]): void {
      narrator.line(`${problems.length === 0 ? "ok  " : "FAIL"}  ${property}: ${claim}`);
      for (const problem of problems.slice(0, 5)) narrator.detail(`    ${problem}`);
      if (problems.length > 0) broken += 1;
    },

    /** How many properties did not hold. */
    broken: () => broken,
  };
}

/** Of calls that are made once. */
export async function answerOf<T>(call: Promise<T>): Promise<Result<T, ClientFailure>> {
  try {
    return ok(await call);
  } catch (error) {
    if (error instanceof ClientError) return err(clientFailure(error));
    throw error;
  }
}

export type StateName = "CREATED" | "ACTIVE" | "PAUSED" | "COMPLETED" | "FAILED" | "CANCELLED";

export const nameOf = (state: WireState | undefined): string => enumText("WORKFLOW_STATE_", state ?? "-");

/** "OK", or the reason why not. */
export const wordOf = (answer: Result<unknown, ClientFailure>): string =>
  answer.ok ? "OK" : (answer.error.reason ?? answer.error.message);

/** How many answers were which, for a line of text. */
export function countsOf(answers: readonly Result<unknown, ClientFailure>[]): string {
  const counts = Map.groupBy(answers, wordOf);
  return [...counts].map(([word, { length }]) => `${length} × ${word}`).join(", ");
}
