// Loaded into a server before its program: the longest stretch of work between two turns of its event loop, in CPU time of that thread, so
// that a machine with more to do than cores is not taken for a server that holds its loop. And the most memory that the process ever had.
// Answers each message, and begins anew.
import { isMainThread } from "node:worker_threads";

const intervalMs = 1;

function usedMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

if (isMainThread) {
  let last = usedMs();
  let longest = 0;
  setInterval(() => {
    const now = usedMs();
    longest = Math.max(longest, now - last);
    last = now;
  }, intervalMs).unref();
  process.on("message", () => {
    process.send?.({ longestMs: longest, peakMiB: process.resourceUsage().maxRSS / 1024 });
    longest = 0;
  });
  process.channel?.unref();
}
