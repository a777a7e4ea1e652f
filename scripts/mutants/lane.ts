import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { type CliOptions, createVitest, type TestCase, type Vitest } from "vitest/node";
import { environmentOf, type Order, type Reached } from "./shared.ts";
import { createWarmPool } from "./warm-pool.ts";

export type RanTest = {
  readonly id: string;
  readonly name: string;
  readonly failed: boolean;
  readonly ms: number;
  readonly reached?: Reached;
};

export type Ran = {
  /** `late`: it was ended, because it took longer than it may. `broken`: something failed outside of tests. */
  readonly outcome: "passed" | "failed" | "late" | "broken";
  readonly tests: readonly RanTest[];
  readonly error: string | undefined;
  readonly ms: number;
};

/** Runs tests, one run after the other, in one process that stays warm. */
export interface Lane {
  /** `ids`: only these tests of the file. */
  run(test: { readonly file: string; readonly ids?: readonly string[] }, order: Order, limitMs: number): Promise<Ran>;
  /** The next run begins in a new process. */
  renew(): void;
  close(): Promise<void>;
}

export type LaneOptions = {
  readonly root: string;
  /** Where the files with the mutants in them are, in the folders of `src`. */
  readonly folder: string;
  readonly count: number;
  readonly include: readonly string[];
};

export async function createLane({ root, folder, count, include }: LaneOptions): Promise<Lane> {
  const pool = createWarmPool();
  const source = join(root, "src");
  const preload = new URL("preload.ts", import.meta.url).href;
  const vitest = await createVitest(
    {
      config: false,
      root,
      watch: false,
      include: [...include],
      exclude: [],
      pool: pool.initializer,
      isolate: false,
      maxWorkers: 1,
      // It would keep the code with its mutants for other runs.
      fsModuleCache: false,
      cache: false,
      silent: true,
      reporters: [{}],
      setupFiles: [join(import.meta.dirname, "setup.ts")],
      env: { ...environmentOf(pathToFileURL(`${folder}/`).href, count), NODE_OPTIONS: `--import=${preload}` },
    } as unknown as CliOptions,
    {
      plugins: [
        {
          name: "mutants",
          enforce: "pre",

          load(id) {
            return id.startsWith(`${source}/`) && id.endsWith(".ts")
              ? textWithMutants(join(folder, relative(source, id)))
              : undefined;
          },
        },
      ],
    },
  );
  return {
    run: (test, order, limitMs) => run(vitest, root, test, order, limitMs, pool.end),
    renew: pool.end,
    async close() {
      pool.end();
      await vitest.close();
    },
  };
}

function textWithMutants(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // It has none.
    return undefined;
  }
}

async function run(
  vitest: Vitest,
  root: string,
  { file, ids }: { readonly file: string; readonly ids?: readonly string[] },
  order: Order,
  limitMs: number,
  end: () => void,
): Promise<Ran> {
  const project = vitest.getRootProject();
  project.provide("order", { ...order, afresh: order.afresh || hasMocks(join(root, file)) });
  const specification = project.createSpecification(join(root, file), ids && { testIds: [...ids] });
  const startedAt = performance.now();
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    end();
  }, limitMs);
  const { testModules, unhandledErrors } = await vitest.runTestSpecifications([specification]);
  clearTimeout(timer);
  const ms = performance.now() - startedAt;
  const module = testModules.find(({ moduleId }) => moduleId === specification.moduleId);
  const tests = [...(module?.children.allTests() ?? [])].filter((test) => test.result().state !== "skipped").map(ranTest);
  const errors = [
    ...unhandledErrors,
    ...(module?.errors() ?? []),
    ...[...(module?.children.allSuites() ?? [])].flatMap((suite) => suite.errors()),
  ];
  const failed = tests.find((test) => test.failed);
  const outcome = isLate ? "late" : failed ? "failed" : errors.length > 0 || module === undefined ? "broken" : "passed";
  const [error] = errors as readonly { readonly message?: string }[];
  return { outcome, tests, error: error && String(error.message ?? error), ms };
}

/** A module that another test file has loaded has what it imports, and no mock of it. */
const hasMocks = (path: string): boolean => readFileSync(path, "utf8").includes("vi.mock(");

function ranTest(test: TestCase): RanTest {
  const { reached } = test.meta() as { reached?: Reached };
  return {
    id: test.id,
    name: test.fullName,
    failed: test.result().state === "failed",
    ms: test.diagnostic()?.duration ?? 0,
    ...(reached && { reached }),
  };
}
