--------------------------- MODULE WorkflowManager ---------------------------
(***************************************************************************)
(* The workflow manager: workflows with a lifecycle, a version and a       *)
(* history of events; clients that retry under one request id; a predicate *)
(* engine that may be unreachable, slow, or asked about a rule set that    *)
(* has changed since; transactions that hold a workflow in transition;     *)
(* crashes; and watchers that follow the events.                           *)
(*                                                                         *)
(* A call goes the way of the code: load and check, ask the engine, decide *)
(* and write.  The three are separate steps and no lock is held between    *)
(* them: what was read is compared when it is written (H. Kung, J.         *)
(* Robinson, "On Optimistic Methods for Concurrency Control", ACM TODS     *)
(* 6(2), 1981).  One write is one step, atomic and durable.                *)
(*                                                                         *)
(* A request is what the client wants, under one id; a call is one attempt *)
(* to have it done.  Calls of one request may run at the same time.        *)
(***************************************************************************)
EXTENDS Naturals, Sequences, FiniteSets, TLC

CONSTANTS
  Workflows,     \* workflow ids
  Requests,      \* request ids
  Watchers,      \* watch streams
  Attempts,      \* calls per request that a client may have under way
  Kinds,         \* what requests may ask for, a subset of AllKinds
  Targets,       \* the states that a move may name
  Expected,      \* the expected versions that a request may name; 0 stands for none
  StartStates,   \* the states a workflow may be in at first
  Slow,          \* requests that the engine may leave without an answer for ever
  MaxWorkflows,  \* BoundedWorkflows
  MaxTries,      \* times that one call is tried again after a conflict
  MaxRevision,   \* rule-set changes
  MaxCrash       \* crashes of the manager

VARIABLES
  wf,        \* durable: the workflows
  events,    \* durable: the history of all workflows; the index is the sequence
  answered,  \* durable: the request ids with the answer each got
  tx,        \* what the coordinator decided about the request that is in transition
  body,      \* what each request asks for
  call,      \* volatile: the calls
  engine,    \* the predicate engine: reachable or not, and the rule-set revision
  up,        \* the manager is running
  crashes,   \* crashes so far
  watch      \* each watcher: where it began, how far it is, what it was sent

durable == <<wf, events, answered>>
vars == <<wf, events, answered, tx, body, call, engine, up, crashes, watch>>

AllKinds == {"create", "move", "recover", "enlist"}
States == {"CREATED", "ACTIVE", "PAUSED", "COMPLETED", "FAILED", "CANCELLED"}
Terminal == {"COMPLETED", "CANCELLED"}

\* The nine legal moves, as in the design, the core and the contract.
Lifecycle == {
  <<"CREATED", "ACTIVE">>,
  <<"ACTIVE", "PAUSED">>, <<"ACTIVE", "COMPLETED">>, <<"ACTIVE", "FAILED">>, <<"ACTIVE", "CANCELLED">>,
  <<"PAUSED", "ACTIVE">>, <<"PAUSED", "CANCELLED">>,
  <<"FAILED", "ACTIVE">>, <<"FAILED", "CANCELLED">>}

ASSUME
  /\ Kinds \subseteq AllKinds
  /\ Targets \subseteq States
  /\ StartStates \subseteq States \cup {"NONE"}
  /\ Slow \subseteq Requests

Calls == Requests \X (1..Attempts)

\* The rule set: at odd revisions a rule denies completion.
Denied(revision) == IF revision % 2 = 1 THEN {<<"ACTIVE", "COMPLETED">>} ELSE {}

Codes == {
  "OK", "WORKFLOW_NOT_FOUND", "TERMINAL_STATE", "VERSION_MISMATCH", "IN_TRANSITION",
  "PREDICATE_LOGIC_UNAVAILABLE", "INVALID_TRANSITION", "RULE_DENIED", "NOT_FAILED",
  "WORKFLOW_ALREADY_EXISTS", "WORKFLOW_LIMIT_REACHED", "TRANSACTION_ABORTED"}

None == "none"
NoHold == [request |-> None, to |-> None, revision |-> 0]
Absent == [state |-> "NONE", version |-> 0, hold |-> NoHold]
NoBody == [kind |-> None, workflow |-> None, to |-> None, expected |-> 0]
NoCall == [phase |-> "idle", state |-> "NONE", version |-> 0, revision |-> 0, tries |-> 0, code |-> None]

\* What a request may ask for.  A move names a target, a recovery always goes to ACTIVE.
Bodies ==
  [kind: Kinds \cap {"create"}, workflow: Workflows, to: {"CREATED"}, expected: {0}]
  \cup [kind: Kinds \cap {"recover"}, workflow: Workflows, to: {"ACTIVE"}, expected: Expected]
  \cup [kind: Kinds \cap {"move", "enlist"}, workflow: Workflows, to: Targets, expected: Expected]

Event(w, from, to, version, r, revision) ==
  [workflow |-> w, from |-> from, to |-> to, version |-> version, request |-> r,
   kind |-> IF r = None THEN None ELSE body[r].kind, revision |-> revision]

EventsOf(w) == SelectSeq(events, LAMBDA event : event.workflow = w)
Existing == {w \in Workflows : wf[w].state # "NONE"}

-----------------------------------------------------------------------------
(* The start: workflows with a short legal history behind them. *)

Path(state) ==
  CASE state = "NONE" -> <<>>
    [] state = "CREATED" -> <<"CREATED">>
    [] state = "ACTIVE" -> <<"CREATED", "ACTIVE">>
    [] OTHER -> <<"CREATED", "ACTIVE", state>>

History(w, state) ==
  [i \in 1..Len(Path(state)) |->
     [workflow |-> w, from |-> IF i = 1 THEN "NONE" ELSE Path(state)[i - 1], to |-> Path(state)[i],
      version |-> i, request |-> None, kind |-> IF i = 1 THEN "create" ELSE "move", revision |-> 0]]

RECURSIVE Histories(_, _)
Histories(S, start) ==
  IF S = {} THEN <<>>
  ELSE LET w == CHOOSE w \in S : TRUE IN History(w, start[w]) \o Histories(S \ {w}, start)

Init ==
  /\ \E start \in [Workflows -> StartStates] :
       /\ Cardinality({w \in Workflows : start[w] # "NONE"}) <= MaxWorkflows
       /\ events = Histories(Workflows, start)
       /\ wf = [w \in Workflows |-> [state |-> start[w], version |-> Len(Path(start[w])), hold |-> NoHold]]
  /\ answered = [r \in Requests |-> None]
  /\ tx = [r \in Requests |-> None]
  /\ body = [r \in Requests |-> NoBody]
  /\ call = [c \in Calls |-> NoCall]
  /\ engine = [up |-> TRUE, revision |-> 0]
  /\ up = TRUE
  /\ crashes = 0
  /\ watch = [v \in Watchers |-> [from |-> Len(events), cursor |-> Len(events), sent |-> <<>>]]

-----------------------------------------------------------------------------
(* The client. *)

Submit(r) ==
  /\ body[r] = NoBody
  /\ \E b \in Bodies : body' = [body EXCEPT ![r] = b]
  /\ call' = [call EXCEPT ![<<r, 1>>].phase = "sent"]
  /\ UNCHANGED <<durable, tx, engine, up, crashes, watch>>

\* An impatient client sends again under the same id while the first call is still under way.
Resend(r, a) ==
  /\ call[<<r, a>>].phase = "idle"
  /\ a > 1
  /\ call[<<r, a - 1>>].phase \notin {"idle", "answered"}
  /\ call' = [call EXCEPT ![<<r, a>>].phase = "sent"]
  /\ UNCHANGED <<durable, tx, body, engine, up, crashes, watch>>

-----------------------------------------------------------------------------
(* A call. *)

Answer(c, code) == call' = [call EXCEPT ![c] = [NoCall EXCEPT !.phase = "answered", !.code = code]]

\* The checks that need no engine, in the order of the design.  "ok" goes on.
Precheck(b) ==
  LET w == wf[b.workflow] IN
  IF b.kind = "create" THEN
    CASE w.state # "NONE" -> "WORKFLOW_ALREADY_EXISTS"
      [] Cardinality(Existing) >= MaxWorkflows -> "WORKFLOW_LIMIT_REACHED"
      [] OTHER -> "ok"
  ELSE
    CASE w.state = "NONE" -> "WORKFLOW_NOT_FOUND"
      [] w.state \in Terminal -> "TERMINAL_STATE"
      [] b.expected \notin {0, w.version} -> "VERSION_MISMATCH"
      [] w.hold # NoHold -> "IN_TRANSITION"
      [] OTHER -> "ok"

\* A request id that has an answer gets it again.  One whose workflow it holds itself waits for the outcome.
Load(c) ==
  LET b == body[c[1]]
      w == wf[b.workflow]
  IN
  /\ up
  /\ call[c].phase = "sent"
  /\ IF answered[c[1]] # None THEN Answer(c, answered[c[1]])
     ELSE IF w.hold.request = c[1] THEN call' = [call EXCEPT ![c].phase = "waiting"]
     ELSE IF Precheck(b) # "ok" THEN Answer(c, Precheck(b))
     ELSE call' = [call EXCEPT ![c].phase = IF b.kind = "create" THEN "judged" ELSE "loaded",
                               ![c].state = w.state, ![c].version = w.version]
  /\ UNCHANGED <<durable, tx, body, engine, up, crashes, watch>>

\* The engine judges the move from the state that was loaded, and says by which revision.
AskEngine(c) ==
  /\ up
  /\ call[c].phase = "loaded"
  /\ IF engine.up
       THEN call' = [call EXCEPT ![c].phase = "judged", ![c].revision = engine.revision]
       ELSE Answer(c, "PREDICATE_LOGIC_UNAVAILABLE")
  /\ UNCHANGED <<durable, tx, body, engine, up, crashes, watch>>

\* The checks on what the engine has seen, in the order of the design.
Verdict(b, seen) ==
  CASE b.kind = "create" -> "ok"
    [] b.kind = "recover" /\ seen.state # "FAILED" -> "NOT_FAILED"
    [] <<seen.state, b.to>> \notin Lifecycle -> "INVALID_TRANSITION"
    [] <<seen.state, b.to>> \in Denied(seen.revision) -> "RULE_DENIED"
    [] OTHER -> "ok"

\* The write is for the workflow that was loaded, and for a request that has no answer yet.  The version
\* alone would not do: a transaction that took hold in between has changed no version.
Unchanged(c) ==
  LET b == body[c[1]]
      w == wf[b.workflow]
  IN
  /\ w.version = call[c].version
  /\ w.hold = NoHold
  /\ answered[c[1]] = None
  /\ b.kind = "create" => Cardinality(Existing) < MaxWorkflows

\* State, version, event and request id in one write; or, for a transaction, the promise.
Write(c) ==
  LET r == c[1]
      b == body[r]
      seen == call[c]
  IN
  IF b.kind = "enlist"
    THEN /\ wf' = [wf EXCEPT ![b.workflow].hold = [request |-> r, to |-> b.to, revision |-> seen.revision]]
         /\ call' = [call EXCEPT ![c].phase = "waiting"]
         /\ UNCHANGED <<events, answered>>
    ELSE /\ wf' = [wf EXCEPT ![b.workflow].state = b.to, ![b.workflow].version = @ + 1]
         /\ events' = Append(events, Event(b.workflow, seen.state, b.to, seen.version + 1, r, seen.revision))
         /\ answered' = [answered EXCEPT ![r] = "OK"]
         /\ call' = [call EXCEPT ![c].phase = "waiting"]

\* A lost comparison is tried again from the start, a bounded number of times.
TryAgain(c) ==
  IF call[c].tries < MaxTries
    THEN call' = [call EXCEPT ![c] = [NoCall EXCEPT !.phase = "sent", !.tries = call[c].tries + 1]]
    ELSE Answer(c, "VERSION_MISMATCH")

Apply(c) ==
  /\ up
  /\ call[c].phase = "judged"
  /\ LET verdict == Verdict(body[c[1]], call[c]) IN
     IF verdict # "ok" THEN Answer(c, verdict) /\ UNCHANGED durable
     ELSE IF Unchanged(c) THEN Write(c)
     ELSE TryAgain(c) /\ UNCHANGED durable
  /\ UNCHANGED <<tx, body, engine, up, crashes, watch>>

\* The acknowledgement comes after the write is durable.
Reply(c) ==
  /\ up
  /\ call[c].phase = "waiting"
  /\ answered[c[1]] # None
  /\ Answer(c, answered[c[1]])
  /\ UNCHANGED <<durable, tx, body, engine, up, crashes, watch>>

-----------------------------------------------------------------------------
(* The transaction that holds a workflow.  AtomicTransition puts TwoPhaseCommit in its place. *)

Held(r) == \E w \in Workflows : wf[w].hold.request = r

\* It may abort at any time; it commits only what was promised.
TxDecide(r, outcome) ==
  /\ tx[r] = None
  /\ body[r].kind = "enlist"
  /\ outcome = "commit" => Held(r)
  /\ tx' = [tx EXCEPT ![r] = outcome]
  /\ UNCHANGED <<durable, body, call, engine, up, crashes, watch>>

\* Nothing is checked again: the promise was to be able to do either.
TxCommit(r, w) ==
  /\ up
  /\ wf[w].hold.request = r
  /\ tx[r] = "commit"
  /\ wf' = [wf EXCEPT ![w] = [state |-> wf[w].hold.to, version |-> wf[w].version + 1, hold |-> NoHold]]
  /\ events' = Append(events, Event(w, wf[w].state, wf[w].hold.to, wf[w].version + 1, r, wf[w].hold.revision))
  /\ answered' = [answered EXCEPT ![r] = "OK"]
  /\ UNCHANGED <<tx, body, call, engine, up, crashes, watch>>

\* With or without a hold to release, the outcome is kept: a promise that comes after it finds it.
TxAbort(r) ==
  /\ up
  /\ tx[r] = "abort"
  /\ answered[r] = None
  /\ wf' = [w \in Workflows |-> IF wf[w].hold.request = r THEN [wf[w] EXCEPT !.hold = NoHold] ELSE wf[w]]
  /\ answered' = [answered EXCEPT ![r] = "TRANSACTION_ABORTED"]
  /\ UNCHANGED <<events, tx, body, call, engine, up, crashes, watch>>

-----------------------------------------------------------------------------
(* The surroundings. *)

EngineDown ==
  /\ engine.up
  /\ engine' = [engine EXCEPT !.up = FALSE]
  /\ UNCHANGED <<durable, tx, body, call, up, crashes, watch>>

EngineUp ==
  /\ ~engine.up
  /\ engine' = [engine EXCEPT !.up = TRUE]
  /\ UNCHANGED <<durable, tx, body, call, up, crashes, watch>>

ChangeRules ==
  /\ engine.revision < MaxRevision
  /\ engine' = [engine EXCEPT !.revision = @ + 1]
  /\ UNCHANGED <<durable, tx, body, call, up, crashes, watch>>

\* The calls are gone; their clients will send them again.
Crash ==
  /\ up
  /\ crashes < MaxCrash
  /\ up' = FALSE
  /\ crashes' = crashes + 1
  /\ call' = [c \in Calls |->
       IF call[c].phase \in {"idle", "answered"} THEN call[c] ELSE [NoCall EXCEPT !.phase = "sent"]]
  /\ UNCHANGED <<durable, tx, body, engine, watch>>

Restart ==
  /\ ~up
  /\ up' = TRUE
  /\ UNCHANGED <<durable, tx, body, call, engine, crashes, watch>>

\* A page of events after the cursor.  The cursor is the watcher's: it outlives streams and crashes.
Deliver(v) ==
  /\ up
  /\ watch[v].cursor < Len(events)
  /\ \E last \in (watch[v].cursor + 1)..Len(events) :
       watch' = [watch EXCEPT
         ![v].cursor = last,
         ![v].sent = @ \o [i \in 1..(last - watch[v].cursor) |-> watch[v].cursor + i]]
  /\ UNCHANGED <<durable, tx, body, call, engine, up, crashes>>

-----------------------------------------------------------------------------
CallStep(c) == Load(c) \/ Apply(c) \/ Reply(c)

TxStep(r) == TxAbort(r) \/ \E w \in Workflows : TxCommit(r, w)

Next ==
  \/ \E r \in Requests :
       \/ Submit(r)
       \/ \E a \in 1..Attempts : Resend(r, a)
       \/ \E outcome \in {"commit", "abort"} : TxDecide(r, outcome)
       \/ TxStep(r)
  \/ \E c \in Calls : CallStep(c) \/ AskEngine(c)
  \/ EngineDown \/ EngineUp \/ ChangeRules \/ Crash \/ Restart
  \/ \E v \in Watchers : Deliver(v)

Spec == Init /\ [][Next]_vars

\* Nobody owes a request, an outage, a change of rules or a crash.  The engine owes an answer, except to Slow.
Fairness ==
  /\ \A c \in Calls : WF_vars(CallStep(c))
  /\ \A c \in Calls : c[1] \notin Slow => WF_vars(AskEngine(c))
  /\ \A r \in Requests : WF_vars(TxStep(r)) /\ WF_vars(Held(r) /\ \E outcome \in {"commit", "abort"} : TxDecide(r, outcome))
  /\ \A v \in Watchers : WF_vars(Deliver(v))
  /\ WF_vars(Restart)

LiveSpec == Spec /\ Fairness

Symmetry == Permutations(Requests)

-----------------------------------------------------------------------------
(* Invariants. *)

HoldType == [request: Requests \cup {None}, to: States \cup {None}, revision: 0..MaxRevision]

TypeOK ==
  /\ \A w \in Workflows :
       /\ wf[w].state \in States \cup {"NONE"}
       /\ wf[w].version \in Nat
       /\ wf[w].hold \in HoldType
  /\ answered \in [Requests -> {None, "OK", "TRANSACTION_ABORTED"}]
  /\ tx \in [Requests -> {None, "commit", "abort"}]
  /\ \A r \in Requests : body[r] \in Bodies \cup {NoBody}
  /\ \A c \in Calls :
       /\ call[c].phase \in {"idle", "sent", "loaded", "judged", "waiting", "answered"}
       /\ call[c].code \in Codes \cup {None}
       /\ call[c].tries \in 0..MaxTries
  /\ engine \in [up: BOOLEAN, revision: 0..MaxRevision]
  /\ up \in BOOLEAN
  /\ crashes \in 0..MaxCrash

Last(s) == s[Len(s)]

\* The record of a workflow is what its events say.
StateConsistency ==
  \A w \in Workflows :
    wf[w].state = IF EventsOf(w) = <<>> THEN "NONE" ELSE Last(EventsOf(w)).to

\* Every change is a creation or one of the nine moves.
TransitionValidity ==
  \A i \in DOMAIN events :
    IF events[i].kind = "create" THEN events[i].from = "NONE" /\ events[i].to = "CREATED"
    ELSE <<events[i].from, events[i].to>> \in Lifecycle

\* An id names one workflow for ever: it is created once, before anything else happens to it.
WorkflowUniqueness ==
  \A w \in Workflows : \A i \in DOMAIN EventsOf(w) : (EventsOf(w)[i].kind = "create") <=> (i = 1)

\* No update is lost: each change starts where the one before it ended, and a held workflow has not moved
\* away from the promise that was made for it.
ConcurrentSafety ==
  \A w \in Workflows :
    /\ \A i \in 2..Len(EventsOf(w)) : EventsOf(w)[i].from = EventsOf(w)[i - 1].to
    /\ wf[w].hold # NoHold =>
         /\ <<wf[w].state, wf[w].hold.to>> \in Lifecycle
         /\ <<wf[w].state, wf[w].hold.to>> \notin Denied(wf[w].hold.revision)

\* No move without the engine's word: the revision that the event names allows it.
PredicateLogicDependency ==
  \A i \in DOMAIN events : <<events[i].from, events[i].to>> \notin Denied(events[i].revision)

\* Only what has failed is recovered.
RecoverySessionValidity ==
  \A i \in DOMAIN events : events[i].kind = "recover" => events[i].from = "FAILED" /\ events[i].to = "ACTIVE"

BoundedWorkflows == Cardinality(Existing) <= MaxWorkflows

\* One request changes at most one thing, once, and all its calls hear the same about it.  One that has
\* its answer holds nothing any more.
AtMostOncePerRequestId ==
  \A r \in Requests :
    LET own == {i \in DOMAIN events : events[i].request = r} IN
    /\ Cardinality(own) = (IF answered[r] = "OK" THEN 1 ELSE 0)
    /\ \A c \in Calls : c[1] = r /\ call[c].code \in {"OK", "TRANSACTION_ABORTED"} => call[c].code = answered[r]
    /\ Held(r) => answered[r] = None

\* A version is an event and an event is a version.
EventPerChange ==
  \A w \in Workflows :
    /\ wf[w].version = Len(EventsOf(w))
    /\ \A i \in DOMAIN EventsOf(w) : EventsOf(w)[i].version = i

\* What a watcher was sent is what happened since it began: all of it, in order, once.
NoEventSkipped ==
  \A v \in Watchers :
    watch[v].sent = [i \in 1..(watch[v].cursor - watch[v].from) |-> watch[v].from + i]

-----------------------------------------------------------------------------
(* Action properties. *)

TerminalStateImmutability ==
  [][\A w \in Workflows : wf[w].state \in Terminal => wf'[w] = wf[w]]_vars

VersionMonotonicity ==
  [][\A w \in Workflows :
       \/ wf'[w].version = wf[w].version /\ wf'[w].state = wf[w].state
       \/ wf'[w].version = wf[w].version + 1]_vars

\* A call is judged by the engine's word, at the moment it is given, and by nothing else.
EngineIsAsked ==
  [][\A c \in Calls : call[c].phase = "loaded" /\ call'[c].phase = "judged" =>
       engine.up /\ call'[c].revision = engine.revision]_vars

\* A retry that arrives after the answer hears the answer, and no other.
RetryHearsFirstAnswer ==
  [][\A c \in Calls :
       /\ call[c].phase = "sent"
       /\ call'[c].phase # "sent"
       /\ answered[c[1]] # None
       => call'[c].code = answered[c[1]]]_vars

\* A promise is kept until the transaction is decided.
HoldKept ==
  [][\A w \in Workflows : wf[w].hold # NoHold /\ wf'[w].hold # wf[w].hold => tx[wf[w].hold.request] # None]_vars

\* History is only added to.
HistoryImmutable ==
  [][/\ Len(events') >= Len(events)
     /\ SubSeq(events', 1, Len(events)) = events]_vars

-----------------------------------------------------------------------------
(* Liveness, of LiveSpec. *)

Submitted(r) == body[r] # NoBody
Done(r) == \A a \in 1..Attempts : call[<<r, a>>].phase \in {"idle", "answered"}

\* Every request is answered, if the engine answers.
TransitionCompletion == \A r \in Requests \ Slow : Submitted(r) ~> (Submitted(r) /\ Done(r))

\* One request that the engine leaves without an answer stops no other.
ProgressGuarantee == \A r \in Requests \ Slow : Submitted(r) ~> call[<<r, 1>>].phase = "answered"

\* After a crash everything is taken up again: the manager runs, and what was held is released.
RecoveryCompleteness ==
  /\ ~up ~> up
  /\ \A w \in Workflows, r \in Requests : wf[w].hold.request = r ~> wf[w].hold.request # r
  /\ \A r \in Requests \ Slow : body[r].kind = "recover" ~> call[<<r, 1>>].phase = "answered"

\* Every watcher gets every event.
EventDelivery ==
  \A v \in Watchers : \A n \in 1..(3 * Cardinality(Workflows) + Cardinality(Requests)) :
    Len(events) = n ~> watch[v].cursor >= n

-----------------------------------------------------------------------------
(* Witnesses: each is an invariant that must be violated, for the state it excludes can be reached. *)

NeverAnswered(code) == \A c \in Calls : call[c].code # code

NeverOk == NeverAnswered("OK")
NeverNotFound == NeverAnswered("WORKFLOW_NOT_FOUND")
NeverTerminal == NeverAnswered("TERMINAL_STATE")
NeverMismatch == NeverAnswered("VERSION_MISMATCH")
NeverInTransition == NeverAnswered("IN_TRANSITION")
NeverUnavailable == NeverAnswered("PREDICATE_LOGIC_UNAVAILABLE")
NeverInvalid == NeverAnswered("INVALID_TRANSITION")
NeverDenied == NeverAnswered("RULE_DENIED")
NeverNotFailed == NeverAnswered("NOT_FAILED")
NeverExists == NeverAnswered("WORKFLOW_ALREADY_EXISTS")
NeverLimit == NeverAnswered("WORKFLOW_LIMIT_REACHED")
NeverTxAborted == NeverAnswered("TRANSACTION_ABORTED")
NeverRecovered == \A i \in DOMAIN events : events[i].kind # "recover"
\* The move was judged by a revision that is no longer the current one: allowed, and recorded.
NeverJudgedByOlderRules ==
  \A c \in Calls : call[c].code = "OK" => \A i \in DOMAIN events : events[i].request = c[1] =>
    <<events[i].from, events[i].to>> \notin Denied(engine.revision)
\* A retry that ran beside the first call got the first one's answer.
NeverAnsweredTwice == \A r \in Requests : \E a \in 1..Attempts : call[<<r, a>>].code # "OK"
NeverHeldOverCrash == ~(crashes > 0 /\ \E w \in Workflows : wf[w].hold # NoHold /\ up)
=============================================================================
