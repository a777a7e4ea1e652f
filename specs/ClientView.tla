----------------------------- MODULE ClientView -----------------------------
(***************************************************************************)
(* What callers, readers and watchers may see of Concord: one object, a    *)
(* log of changes, which is changed and read at one point between the      *)
(* moment a call is made and the moment its answer is heard (M. Herlihy,   *)
(* J. Wing, "Linearizability", ACM TOPLAS 12(3), 1990).  Nothing is said   *)
(* of how: no crashes, no engine, no holds.                                *)
(*                                                                         *)
(* A refusal changes nothing, so it need not be placed when it is heard:   *)
(* it must have been true at some length of the log since the call was     *)
(* made.  The log only grows, so to look back is enough.                   *)
(***************************************************************************)
EXTENDS Naturals, Sequences, FiniteSets

CONSTANTS
  Requests, Workflows, Watchers, Sinks, Readers,
  Calls,         \* pairs of a request and a number
  Bodies,        \* what requests may ask for, as in WorkflowManager
  Starts,        \* the logs that there may be at first
  Lifecycle,     \* the legal moves
  MaxUnasked,    \* changes that nobody asks for: deadlines
  MaxSent,       \* how much a watcher is sent, again or not
  MayPurge

VARIABLES
  log,       \* what has happened, in order: of which workflow, to which state, which version, for which request
  outcome,   \* of each request: one, and for ever
  purged,    \* the workflows whose changes are not shown any more
  asked,     \* what each request asks for
  made,      \* each call: how long the log was when it was made, and what was the outcome
  heard,     \* each call: nothing yet, its answer, or that it was not made
  reader,    \* each reader: of what it asks, since when, and what it heard
  stream     \* each watcher: from where, what it was sent, and from where it is told to begin anew

vars == <<log, outcome, purged, asked, made, heard, reader, stream>>

None == "none"
Nobody == [kind |-> None, on |-> {}, to |-> None, expected |-> 0, due |-> None]
Outcomes == {"OK", "TRANSACTION_ABORTED"}
Refusals == {
  "WORKFLOW_NOT_FOUND", "WORKFLOW_PURGED", "TERMINAL_STATE", "VERSION_MISMATCH", "IN_TRANSITION",
  "PREDICATE_LOGIC_UNAVAILABLE", "INVALID_TRANSITION", "RULE_DENIED", "NOT_FAILED", "RECOVERIES_EXHAUSTED",
  "RECOVERY_TOO_EARLY", "DEADLINE_NOT_SET", "DEADLINE_INVALID", "WORKFLOW_ALREADY_EXISTS", "WORKFLOW_LIMIT_REACHED"}

NotMade == [at |-> 0, outcome |-> None]
NotAsked == [phase |-> "idle", of |-> None, at |-> 0, version |-> 0, isPurged |-> FALSE]

RECURSIVE Order(_)
Order(S) == IF S = {} THEN <<>> ELSE LET w == CHOOSE w \in S : TRUE IN <<w>> \o Order(S \ {w})

\* A workflow, when the log was so long.
Of(w, n) == SelectSeq(SubSeq(log, 1, n), LAMBDA change : change.workflow = w)
VersionAt(w, n) == Len(Of(w, n))
StateAt(w, n) == IF Of(w, n) = <<>> THEN "NONE" ELSE Of(w, n)[Len(Of(w, n))].to
Version(w) == VersionAt(w, Len(log))
State(w) == StateAt(w, Len(log))

Init ==
  /\ log \in Starts
  /\ outcome = [r \in Requests |-> None]
  /\ purged = {}
  /\ asked = [r \in Requests |-> Nobody]
  /\ made = [c \in Calls |-> NotMade]
  /\ heard = [c \in Calls |-> "idle"]
  /\ reader = [x \in Readers |-> NotAsked]
  /\ stream = [v \in Watchers |-> [from |-> Len(log), sent |-> <<>>, told |-> 0]]

-----------------------------------------------------------------------------
(* Calls. *)

\* A request is one thing, however often it is sent.
Call(c) ==
  /\ heard[c] = "idle"
  /\ asked[c[1]] = Nobody => \E b \in Bodies : asked' = [asked EXCEPT ![c[1]] = b]
  /\ asked[c[1]] # Nobody => asked' = asked
  /\ made' = [made EXCEPT ![c] = [at |-> Len(log), outcome |-> outcome[c[1]]]]
  /\ heard' = [heard EXCEPT ![c] = "pending"]
  /\ UNCHANGED <<log, outcome, purged, reader, stream>>

\* What one request makes of one workflow.
Changes(r, w) ==
  LET b == asked[r]
      change(to, n) == [workflow |-> w, to |-> to, version |-> Version(w) + n, request |-> r]
  IN
  IF b.kind = "start" THEN <<change("CREATED", 1), change("ACTIVE", 2)>>
  ELSE <<change(IF b.to = None THEN State(w) ELSE b.to, 1)>>

RECURSIVE ChangesOf(_, _)
ChangesOf(r, order) == IF order = <<>> THEN <<>> ELSE Changes(r, Head(order)) \o ChangesOf(r, Tail(order))

MayChange(r, w) ==
  LET b == asked[r] IN
  /\ w \notin purged
  /\ IF b.kind \in {"create", "start"} THEN Version(w) = 0
     ELSE /\ State(w) \notin {"NONE", "COMPLETED", "CANCELLED"}
          /\ b.expected \in {0, Version(w)}
          /\ b.to # None => <<State(w), b.to>> \in Lifecycle

\* All that was asked for is done at once, as it was asked for, for somebody who waits for it, and once.
Do(r) ==
  /\ outcome[r] = None
  /\ \E c \in Calls : c[1] = r /\ heard[c] = "pending"
  /\ \A w \in asked[r].on : MayChange(r, w)
  /\ log' = log \o ChangesOf(r, Order(asked[r].on))
  /\ outcome' = [outcome EXCEPT ![r] = "OK"]
  /\ UNCHANGED <<purged, asked, made, heard, reader, stream>>

GiveUp(r) ==
  /\ asked[r].kind \in {"enlist", "enlist-recovery"}
  /\ outcome[r] = None
  /\ outcome' = [outcome EXCEPT ![r] = "TRANSACTION_ABORTED"]
  /\ UNCHANGED <<log, purged, asked, made, heard, reader, stream>>

\* Was this true of one of the workflows at that length of the log?  What rules, limits, clocks and transactions say is not seen
\* here, and a call that loses against others again and again hears of a version as well.
Justified(code, b, n) ==
  \E w \in b.on :
    CASE code = "WORKFLOW_NOT_FOUND" -> VersionAt(w, n) = 0
      [] code = "WORKFLOW_PURGED" -> w \in purged
      [] code = "WORKFLOW_ALREADY_EXISTS" -> VersionAt(w, n) > 0
      [] code = "TERMINAL_STATE" -> StateAt(w, n) \in {"COMPLETED", "CANCELLED"}
      [] code = "NOT_FAILED" -> StateAt(w, n) # "FAILED"
      [] code = "INVALID_TRANSITION" -> <<StateAt(w, n), b.to>> \notin Lifecycle
      [] OTHER -> TRUE

\* The outcome, if there is one; a refusal, unless there was one already when the call was made.
Hear(c) ==
  /\ heard[c] = "pending"
  /\ \E code \in Outcomes \cup Refusals :
       /\ heard' = [heard EXCEPT ![c] = code]
       /\ IF code \in Outcomes THEN outcome[c[1]] = code
          ELSE /\ made[c].outcome = None
               /\ \E n \in made[c].at..Len(log) : Justified(code, asked[c[1]], n)
  /\ UNCHANGED <<log, outcome, purged, asked, made, reader, stream>>

-----------------------------------------------------------------------------
(* What nobody asks for. *)

\* A deadline moves what is there, or is refused and leaves it where it is.
HappenAlone(w) ==
  /\ Cardinality({i \in DOMAIN log : log[i].request = None}) < MaxUnasked
  /\ State(w) \notin {"NONE", "COMPLETED", "CANCELLED"}
  /\ w \notin purged
  /\ \E to \in {State(w)} \cup {move[2] : move \in {m \in Lifecycle : m[1] = State(w)}} :
       log' = Append(log, [workflow |-> w, to |-> to, version |-> Version(w) + 1, request |-> None])
  /\ UNCHANGED <<outcome, purged, asked, made, heard, reader, stream>>

Purge(w) ==
  /\ MayPurge
  /\ State(w) \in {"COMPLETED", "CANCELLED"}
  /\ w \notin purged
  /\ purged' = purged \cup {w}
  /\ UNCHANGED <<log, outcome, asked, made, heard, reader, stream>>

-----------------------------------------------------------------------------
(* Readers and watchers. *)

Ask(x) ==
  /\ reader[x].phase = "idle"
  /\ \E w \in Workflows : reader' = [reader EXCEPT ![x] = [NotAsked EXCEPT !.phase = "asked", !.of = w, !.at = Len(log)]]
  /\ UNCHANGED <<log, outcome, purged, asked, made, heard, stream>>

\* What it hears was true at some length of the log since it asked.
Read(x) ==
  /\ reader[x].phase = "asked"
  /\ \/ /\ reader[x].of \in purged
        /\ reader' = [reader EXCEPT ![x].phase = "heard", ![x].isPurged = TRUE]
     \/ \E n \in reader[x].at..Len(log) :
          reader' = [reader EXCEPT ![x].phase = "heard", ![x].version = VersionAt(reader[x].of, n)]
  /\ UNCHANGED <<log, outcome, purged, asked, made, heard, stream>>

Most(v) ==
  LET sent == {stream[v].sent[k] : k \in DOMAIN stream[v].sent} \cup {stream[v].from} IN
  CHOOSE i \in sent : \A j \in sent : j <= i

Run(from, to) == [k \in 1..(to - from + 1) |-> from + k - 1]

\* What comes next, up to somewhere.  A sink may be sent again what it has had, from anywhere on.
Send(v) ==
  /\ stream[v].told = 0
  /\ \E from \in (IF v \in Sinks THEN (stream[v].from + 1)..(Most(v) + 1) ELSE {Most(v) + 1}) :
       \E to \in from..Len(log) :
         /\ Len(stream[v].sent) + to - from < MaxSent
         /\ stream' = [stream EXCEPT ![v].sent = @ \o Run(from, to)]
  /\ UNCHANGED <<log, outcome, purged, asked, made, heard, reader>>

\* That something is missing is said, if something is.
Tell(v) ==
  /\ stream[v].told = 0
  /\ \E i \in (stream[v].from + 1)..Len(log) :
       /\ v \notin Sinks => i > Most(v)
       /\ log[i].workflow \in purged
       /\ stream' = [stream EXCEPT ![v].told = i + 1]
  /\ UNCHANGED <<log, outcome, purged, asked, made, heard, reader>>

BeginAnew(v) ==
  /\ stream[v].told # 0
  /\ stream' = [stream EXCEPT ![v] = [from |-> stream[v].told - 1, sent |-> <<>>, told |-> 0]]
  /\ UNCHANGED <<log, outcome, purged, asked, made, heard, reader>>

-----------------------------------------------------------------------------
Next ==
  \/ \E c \in Calls : Call(c) \/ Hear(c)
  \/ \E r \in Requests : Do(r) \/ GiveUp(r)
  \/ \E w \in Workflows : HappenAlone(w) \/ Purge(w)
  \/ \E x \in Readers : Ask(x) \/ Read(x)
  \/ \E v \in Watchers : Send(v) \/ Tell(v) \/ BeginAnew(v)

Spec == Init /\ [][Next]_vars

-----------------------------------------------------------------------------
(* What follows. *)

\* What was acknowledged is in the log; AnswersAreKept and LogGrows keep it there.
AcknowledgedIsDone ==
  \A c \in Calls : heard[c] = "OK" => \A w \in asked[c[1]].on : \E i \in DOMAIN log : log[i].request = c[1] /\ log[i].workflow = w

\* One request id has one answer, and what is given up has done nothing.
OneAnswer ==
  \A c, d \in Calls : c[1] = d[1] /\ heard[c] \in Outcomes /\ heard[d] \in Outcomes =>
    /\ heard[c] = heard[d]
    /\ heard[c] = "TRANSACTION_ABORTED" => \A i \in DOMAIN log : log[i].request # c[1]

\* Who asks after a write was acknowledged sees it, or something newer.
ReadSeesAcknowledged ==
  \A x \in Readers : reader[x].phase = "heard" /\ ~reader[x].isPurged =>
    /\ reader[x].version >= VersionAt(reader[x].of, reader[x].at)
    /\ reader[x].version <= Version(reader[x].of)

\* A stream is the log: in order, without a gap, and of a watcher once.
StreamIsLog ==
  \A v \in Watchers :
    LET s == stream[v] IN
    /\ \A k \in DOMAIN s.sent : s.sent[k] \in DOMAIN log
    /\ \A k \in DOMAIN s.sent : s.sent[k] = s.from + 1 \/ \E j \in 1..(k - 1) : s.sent[j] = s.sent[k] - 1
    /\ v \notin Sinks => \A k \in DOMAIN s.sent : s.sent[k] = s.from + k

LogGrows == [][Len(log') >= Len(log) /\ SubSeq(log', 1, Len(log)) = log]_vars
AnswersAreKept == [][\A r \in Requests : outcome[r] # None => outcome'[r] = outcome[r]]_vars

-----------------------------------------------------------------------------
(* A small instance, for TLC. *)

SmallCalls == Requests \X {1, 2}
SmallLifecycle == {<<"ACTIVE", "COMPLETED">>, <<"ACTIVE", "FAILED">>}
SmallBodies == {[kind |-> kind, on |-> {w}, to |-> "COMPLETED", expected |-> 0, due |-> None] : kind \in {"move", "enlist"}, w \in Workflows}
SmallStart(w) == <<[workflow |-> w, to |-> "ACTIVE", version |-> 1, request |-> None]>>
SmallStarts == {SmallStart(w) : w \in Workflows}
=============================================================================
