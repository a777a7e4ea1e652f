#!/usr/bin/env node
// The command of the published package, in the JavaScript of old Nodes, so that each of them can say which one is needed.
const { existsSync } = require("node:fs");
const { join } = require("node:path");

const needed = [24, 2];
const found = process.versions.node.split(".").map(Number);
const isDemo = process.argv[2] === "demo";

// As in bin/concord: requests under way outlive a small young generation, and are then copied and collected twice. A process has the size from
// its start, so a server starts once more, in its own place; unless it was given a size, or the system has no such call.
const semiSpace = /max.semi.space.size/;
const isGiven = semiSpace.test([...process.execArgv, process.env.NODE_OPTIONS].join(" "));
function startAgain() {
  const args = [process.execPath, "--max-semi-space-size=32", ...process.execArgv, ...process.argv.slice(1)];
  // With an arena for each thread, most of what malloc holds is free, and stays.
  process.execve(process.execPath, args, { MALLOC_ARENA_MAX: "2", ...process.env });
}

function fail(why) {
  process.stderr.write(`concord: ${why}\n`);
  process.exitCode = 1;
}

if (found[0] < needed[0] || (found[0] === needed[0] && found[1] < needed[1])) {
  fail(`needs Node ${needed.join(".")} or newer, and this is ${process.versions.node}`);
} else if (!existsSync(join(__dirname, "../dist/src/main.js"))) {
  fail(
    "was packed without being built, so that dist is missing; pack it again (npm pack, with scripts), or in a clone run bin/concord",
  );
} else {
  if (process.argv[2] === "serve" && !isGiven && process.platform !== "win32") startAgain();
  if (isDemo) process.argv.splice(2, 1);
  import(isDemo ? "../dist/demo/main.js" : "../dist/src/main.js");
}
