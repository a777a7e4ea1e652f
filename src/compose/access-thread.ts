import { parentPort, workerData } from "node:worker_threads";
import { readAccessFile } from "../access-file.ts";
import type { ReadAccess } from "./access-reader.ts";

// The thread of access-reader: it reads one file, once.

const read = readAccessFile(workerData as string);
parentPort?.postMessage({ read, text: read.ok ? JSON.stringify(read.value) : "" } satisfies ReadAccess);
