import { hash } from "node:crypto";

/** As hexadecimal digits: what is known of a token, of a line, of a file. */
export const sha256Of = (bytes: Uint8Array | string): string => hash("sha256", bytes, "hex");
