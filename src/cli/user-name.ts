import { userInfo } from "node:os";

/** Who runs this. A container's user often has a number only. */
export function userName(asSystemKnows = userInfo): string {
  try {
    return asSystemKnows().username;
  } catch {
    const { USER: named, LOGNAME: logged } = process.env;
    return named || logged || `uid ${process.getuid?.()}`;
  }
}
