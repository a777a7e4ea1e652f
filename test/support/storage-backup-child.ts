/** Takes a backup, run by the tests with node to be killed: `storage-backup-child.ts <folder of stores> <to>`. */
import { systemClock } from "../../src/runtime/clock.ts";
import { storesIn } from "../../src/storage/backup/cut.ts";
import { takeBackup } from "../../src/storage/backup/take.ts";

const [from = "", to = ""] = process.argv.slice(2);
const taken = await takeBackup({ paths: storesIn(from), to, version: "t", id: "0".repeat(32), clock: systemClock });
process.exitCode = taken.ok ? 0 : 1;
