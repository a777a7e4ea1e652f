#!/usr/bin/env node
// The command of the published package, in the JavaScript of old Nodes, so that each of them can say which one is needed.
const needed = [24, 2];
const found = process.versions.node.split(".").map(Number);
const isDemo = process.argv[2] === "demo";

if (found[0] > needed[0] || (found[0] === needed[0] && found[1] >= needed[1])) {
  if (isDemo) process.argv.splice(2, 1);
  import(isDemo ? "../dist/demo/main.js" : "../dist/src/main.js");
} else {
  process.stderr.write(`concord: needs Node ${needed.join(".")} or newer, and this is ${process.versions.node}\n`);
  process.exitCode = 1;
}
