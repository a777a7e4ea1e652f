/** What waits, of each caller in the order of coming. Callers take turns, so that who asks much waits for it alone. */
export function createCallerTurns<Call extends { readonly caller: string }>() {
  /** In the order of their turns. Only those who wait for something. */
  const lines = new Map<string, Call[]>();

  return {
    enter(call: Call): void {
      const line = lines.get(call.caller);
      if (line === undefined) lines.set(call.caller, [call]);
      else line.push(call);
    },

    /** Its caller's next turn comes after everybody else's. */
    next(): Call | undefined {
      for (const [caller, line] of lines) {
        const call = line.shift();
        lines.delete(caller);
        if (line.length > 0) lines.set(caller, line);
        return call;
      }
      return undefined;
    },

    leave(call: Call): void {
      const line = lines.get(call.caller);
      const index = line?.indexOf(call) ?? -1;
      if (index >= 0) line?.splice(index, 1);
      if (line?.length === 0) lines.delete(call.caller);
    },

    clear: () => lines.clear(),
  };
}
