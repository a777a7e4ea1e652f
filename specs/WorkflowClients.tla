--------------------------- MODULE WorkflowClients ---------------------------
(***************************************************************************)
(* The workflow manager with readers, and with what its clients remember:  *)
(* when each call was made.  That nothing its clients see contradicts one  *)
(* log, changed and read at one point of each call, is what                *)
(* RefinesClientView checks.                                               *)
(***************************************************************************)
EXTENDS WorkflowManager

CONSTANTS Readers

VARIABLES
  made,      \* each call: how long the history was when it was made, and the answer that there was
  reading    \* each reader: what it asks for, and what was read for it

clientVars == <<vars, made, reading>>

NotRead == [phase |-> "idle", of |-> None, at |-> 0, state |-> None, version |-> 0]

ClientInit ==
  /\ Init
  /\ made = [c \in Calls |-> [at |-> 0, outcome |-> None]]
  /\ reading = [x \in Readers |-> NotRead]

Manage ==
  /\ Next
  /\ made' = [c \in Calls |->
       IF call[c].phase = "idle" /\ call'[c].phase # "idle" THEN [at |-> Len(events), outcome |-> answered[c[1]]] ELSE made[c]]
  /\ UNCHANGED reading

AskFor(x, w) ==
  /\ reading[x].phase = "idle"
  /\ reading' = [reading EXCEPT ![x] = [NotRead EXCEPT !.phase = "asked", !.of = w, !.at = Len(events)]]
  /\ UNCHANGED <<vars, made>>

\* The store is read, which knows what is durable and nothing else.
Look(x) ==
  /\ up
  /\ reading[x].phase = "asked"
  /\ LET record == wf[reading[x].of] IN
     reading' = [reading EXCEPT ![x].phase = "read", ![x].state = record.state, ![x].version = record.version]
  /\ UNCHANGED <<vars, made>>

\* The answer may take its time.
Tell(x) ==
  /\ reading[x].phase = "read"
  /\ reading' = [reading EXCEPT ![x].phase = "heard"]
  /\ UNCHANGED <<vars, made>>

ClientNext ==
  \/ Manage
  \/ \E x \in Readers : Look(x) \/ Tell(x) \/ \E w \in Workflows : AskFor(x, w)

ClientSpec == ClientInit /\ [][ClientNext]_clientVars

-----------------------------------------------------------------------------
(* What clients see of it. *)

Changed(history) ==
  [i \in DOMAIN history |->
     [workflow |-> history[i].workflow, to |-> history[i].to, version |-> history[i].version, request |-> history[i].request]]

Heard(c) ==
  CASE call[c].phase = "idle" -> "idle"
    [] call[c].phase = "answered" -> call[c].code
    [] OTHER -> "pending"

Shown(x) ==
  LET hasHeard == reading[x].phase = "heard" IN
  [phase |-> IF reading[x].phase = "read" THEN "asked" ELSE reading[x].phase, of |-> reading[x].of, at |-> reading[x].at,
   version |-> IF hasHeard THEN reading[x].version ELSE 0, isPurged |-> hasHeard /\ reading[x].state = "PURGED"]

Clients == INSTANCE ClientView WITH
  Starts <- {Changed(Histories(Order(Workflows), start)) : start \in [Workflows -> StartStates]},
  MaxUnasked <- 99, MaxSent <- 99,
  log <- Changed(events),
  outcome <- answered,
  purged <- {w \in Workflows : wf[w].state = "PURGED"},
  asked <- body,
  heard <- [c \in Calls |-> Heard(c)],
  reader <- [x \in Readers |-> Shown(x)],
  stream <- [v \in Watchers |-> [from |-> watch[v].from, sent |-> watch[v].sent, told |-> watch[v].told]]

RefinesClientView == Clients!Spec
=============================================================================
