import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";

/** More than any list of tokens, keys or revoked certificates needs. */
const smallFileBytesMax = 16 * 2 ** 20;

/**
 * What an operator has written for this process. What is no file is not read: a pipe would be waited for, and a device has no end. Throws as `readFileSync`
 * does, and of such a one.
 */
export function readSmallFile(path: string): string {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) throw new Error("it is no file");
    if (stat.size > smallFileBytesMax) throw new Error(`it is larger than ${smallFileBytesMax / 2 ** 20} MiB`);
    return readFileSync(file, "utf8");
  } finally {
    closeSync(file);
  }
}
