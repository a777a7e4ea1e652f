import { systemPrefix } from "../../kernel/system-actor.ts";
import { hasMoreCharacters, printable } from "../../kernel/text.ts";

const characterMax = 256;

export const principalWords = `must be a name of 1 to ${characterMax} visible characters that does not begin with ${systemPrefix}`;

/** What begins with `system:` is a server's own. */
export const isPrincipal = (name: string): boolean =>
  name !== "" && !hasMoreCharacters(name, characterMax) && printable(name) === name && !name.startsWith(systemPrefix);
