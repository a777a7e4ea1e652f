// Lines of a document that a reader pastes, and what they print.

type Paste = { readonly command: string; readonly shown: string };

/**
 * A command begins with `    $ `, goes on after a backslash, and is followed by what it prints: up to the next command or the next line of prose.
 * Blank lines within it are part of it.
 */
export function pastesOf(text: string): readonly Paste[] {
  const pastes: { command: string; shown: string }[] = [];
  let inside = false;
  let blank = "";
  for (const line of text.split("\n")) {
    const last = pastes.at(-1);
    if (line.startsWith("    $ ")) {
      pastes.push({ command: line.slice(6), shown: "" });
      inside = true;
      blank = "";
    } else if (line === "") {
      blank += "\n";
    } else if (!line.startsWith("    ")) {
      inside = false;
    } else if (inside && last?.command.endsWith("\\")) {
      last.command += `\n${line.slice(4)}`;
    } else if (inside && last !== undefined) {
      last.shown += `${blank}${line.slice(4)}\n`;
      blank = "";
    }
  }
  return pastes;
}
