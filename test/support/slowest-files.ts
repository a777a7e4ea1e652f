import type { Reporter, TestModule } from "vitest/node";

const shownCount = 12;

/** Says at the end where the time went: the files that took longest, hooks and imports included. Of a run of few files it says nothing. */
export const slowestFiles: Reporter = {
  onTestRunEnd(modules: readonly TestModule[]): void {
    if (modules.length <= shownCount) return;
    const files = modules.map((module) => {
      const { duration, collectDuration, prepareDuration, environmentSetupDuration, setupDuration } = module.diagnostic();
      const importMs = collectDuration + prepareDuration + environmentSetupDuration + setupDuration;
      return { name: module.relativeModuleId, importMs, allMs: duration + importMs };
    });
    const sum = (of: "importMs" | "allMs"): number => files.reduce((ms, file) => ms + file[of], 0);
    const slowest = files.toSorted((a, b) => b.allMs - a.allMs).slice(0, shownCount);
    const lines = slowest.map(({ name, allMs, importMs }) => `${seconds(allMs)} ${seconds(importMs)}  ${name}`);
    const total = `${seconds(sum("allMs"))} ${seconds(sum("importMs"))}  all ${files.length}`;
    process.stdout.write(`\nThe slowest files, in s, and how much of it to import them:\n${[...lines, total].join("\n")}\n`);
  },
};

const seconds = (ms: number): string => (ms / 1000).toFixed(1).padStart(8);
