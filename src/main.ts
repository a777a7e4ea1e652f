#!/usr/bin/env node
import { createProgram } from "./cli/program.ts";
import { runProgram } from "./cli/run-program.ts";
import { version } from "./version.ts";

await runProgram(await createProgram(process.argv.slice(2), version));
