/** The names of a module's actions, in their order: definitions that say what stays the same. */
export const actionsOf = (moduleText: string): readonly string[] =>
  moduleText.split(/\n\s*\n/).flatMap((paragraph) => {
    const name = /^(\w+)(?:\(.*\))? ==$/m.exec(paragraph)?.[1];
    return name !== undefined && /^ {2}\/\\ UNCHANGED/m.test(paragraph) ? [name] : [];
  });
