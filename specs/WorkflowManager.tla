--------------------------- MODULE WorkflowManager ---------------------------
(***************************************************************************)
(* The workflow manager: workflows with a lifecycle, a version and a       *)
(* history of events; clients that retry under one request id; a predicate *)
(* engine that may be unreachable, slow, or asked about a rule set that    *)
(* has changed since; transactions that hold workflows in transition;      *)
(* deadlines, after which the system makes a move by itself; a policy of   *)
(* recovery; purges; crashes; watchers that follow the events, and sinks,  *)
(* to which they are published.                                            *)
(*                                                                         *)
(* A call goes the way of the code: load and check, ask the engine, decide *)
(* and write.  The three are separate steps and no lock is held between    *)
(* them: what was read is compared when it is written (H. Kung, J.         *)
(* Robinson, "On Optimistic Methods for Concurrency Control", ACM TODS     *)
(* 6(2), 1981).  One write is one step, atomic and durable, of as many     *)
(* workflows as it has.                                                    *)
(*                                                                         *)
(* A request is what the client wants, under one id; a call is one attempt *)
(* to have it done.  Calls of one request may run at the same time.        *)
(***************************************************************************)
EXTENDS Naturals, Sequences, FiniteSets, TLC

CONSTANTS
  Workflows,     \* workflow ids
  Requests,      \* request ids
  Watchers,      \* watch streams
  Sinks,         \* those of them whose cursor the system keeps
  Attempts,      \* calls per request that a client may have under way
  Kinds,         \* what requests may ask for, a subset of AllKinds
  Targets,       \* the states that a move may name
  Expected,      \* the expected versions that a request may name; 0 stands for none
  StartStates,   \* the states a workflow may be in at first
  Slow,          \* requests that the engine may leave without an answer for ever
  MaxWorkflows,  \* BoundedWorkflows
  MaxTogether,   \* workflows that a batch or a transaction moves together
  MaxTries,      \* times that one call is tried again after a conflict
  MaxRevision,   \* rule-set changes
  MaxCrash,      \* crashes of the manager
  Dues,          \* the moves that a deadline may name
  Defaults,      \* the states that have a deadline by policy
  MaxRecoveries, \* RecoveriesBounded
  Backoff,       \* what has failed is to be left alone for a while
  MayPurge       \* what has ended may be purged

VARIABLES
  wf,        \* durable: the workflows
  events,    \* durable: the history of all workflows; the index is the sequence
  gone,      \* durable: the sequences of what was purged of it
  answered,  \* durable: the request ids with the answer each got
  tx,        \* what the coordinator decided about the request that is in transition
  body,      \* what each request asks for
  call,      \* volatile: the calls
  timer,     \* volatile: the system's attempt to do what a deadline asks for, one a workflow
  engine,    \* the predicate engine: reachable or not, and the rule-set revision
  up,        \* the manager is running
  crashes,   \* crashes so far
  watch      \* each watcher: where it began, how far it is, what it was sent, what was read for it, how far is stored

durable == <<wf, events, gone, answered>>
volatile == <<call, timer>>
around == <<engine, up, crashes>>
vars == <<durable, tx, body, volatile, around, watch>>

AllKinds == {"create", "start", "move", "recover", "enlist", "enlist-recovery", "batch", "update", "deadline"}
States == {"CREATED", "ACTIVE", "PAUSED", "COMPLETED", "FAILED", "CANCELLED"}
Terminal == {"COMPLETED", "CANCELLED"}

\* The nine legal moves, as in the design, the core and the contract.
Lifecycle == {
  <<"CREATED", "ACTIVE">>,
  <<"ACTIVE", "PAUSED">>, <<"ACTIVE", "COMPLETED">>, <<"ACTIVE", "FAILED">>, <<"ACTIVE", "CANCELLED">>,
  <<"PAUSED", "ACTIVE">>, <<"PAUSED", "CANCELLED">>,
  <<"FAILED", "ACTIVE">>, <<"FAILED", "CANCELLED">>}

Recovery == <<"FAILED", "ACTIVE">>

ASSUME
  /\ Kinds \subseteq AllKinds
  /\ Targets \cup Dues \cup Defaults \subseteq States
  /\ StartStates \subseteq States \cup {"NONE"}
  /\ Slow \subseteq Requests
  /\ Sinks \subseteq Watchers

Calls == Requests \X (1..Attempts)

\* The rule set: at odd revisions rules deny completion, recovery, the move that a new workflow begins with, and, as a
\* pair of equal states, changes of an active workflow that move nothing.
Denied(revision) ==
  IF revision % 2 = 1 THEN {<<"ACTIVE", "COMPLETED">>, Recovery, <<"CREATED", "ACTIVE">>, <<"ACTIVE", "ACTIVE">>} ELSE {}

Codes == {
  "OK", "WORKFLOW_NOT_FOUND", "WORKFLOW_PURGED", "TERMINAL_STATE", "VERSION_MISMATCH", "IN_TRANSITION",
  "PREDICATE_LOGIC_UNAVAILABLE", "INVALID_TRANSITION", "RULE_DENIED", "NOT_FAILED",
  "RECOVERIES_EXHAUSTED", "RECOVERY_TOO_EARLY", "DEADLINE_NOT_SET", "DEADLINE_INVALID",
  "WORKFLOW_ALREADY_EXISTS", "WORKFLOW_LIMIT_REACHED", "TRANSACTION_ABORTED"}

None == "none"
NoDue == [to |-> None, set |-> 0]
NoHold == [request |-> None, to |-> None, revision |-> 0, due |-> None]
Absent == [state |-> "NONE", version |-> 0, hold |-> NoHold, due |-> NoDue, ripe |-> TRUE]
Purged == [Absent EXCEPT !.state = "PURGED"]
NoBody == [kind |-> None, on |-> {}, to |-> None, expected |-> 0, due |-> None]
NoSeen == [w \in Workflows |-> Absent]
NoCall == [phase |-> "idle", seen |-> NoSeen, revision |-> 0, tries |-> 0, code |-> None]
NoTimer == [phase |-> "idle", seen |-> Absent, revision |-> 0]
NoPage == [upTo |-> 0, rows |-> {}]

\* What refuses a workflow that has not failed.
Recovering == {"recover", "enlist-recovery"}

\* What a transaction does.
Enlisted == {"enlist", "enlist-recovery"}

\* What a request may ask for.  A move names a target, a recovery always goes to ACTIVE.
Singles == {{w} : w \in Workflows}
Together == {S \in SUBSET Workflows : S # {} /\ Cardinality(S) <= MaxTogether}
DuesIn(to) == {None} \cup {due \in Dues : <<to, due>> \in Lifecycle}

Bodies ==
  UNION {
    [kind: Kinds \cap {"create"}, on: Singles, to: {"CREATED"}, expected: {0}, due: DuesIn("CREATED")],
    [kind: Kinds \cap {"start"}, on: Singles, to: {"ACTIVE"}, expected: {0}, due: DuesIn("ACTIVE")],
    [kind: Kinds \cap Recovering, on: Singles, to: {"ACTIVE"}, expected: Expected, due: DuesIn("ACTIVE")],
    [kind: Kinds \cap {"update"}, on: Singles, to: {None}, expected: Expected, due: {None}],
    [kind: Kinds \cap {"deadline"}, on: Singles, to: {None}, expected: Expected, due: {None} \cup Dues],
    [kind: Kinds \cap {"batch"}, on: Together, to: Targets, expected: Expected, due: {None}],
    [kind: Kinds \cap {"enlist"}, on: Together \ Singles, to: Targets, expected: Expected, due: {None}],
    UNION {[kind: Kinds \cap {"move", "enlist"}, on: Singles, to: {to}, expected: Expected, due: DuesIn(to)] : to \in Targets}}

Born == {"create", "start"}

\* What the engine is not asked about: it moves nothing.
Unjudged == {"create", "deadline"}

EventsOf(w) == SelectSeq(events, LAMBDA event : event.workflow = w)
Existing == {w \in Workflows : wf[w].state \notin {"NONE", "PURGED"}}
Range(f) == {f[i] : i \in DOMAIN f}

\* In which order one write tells of its workflows.
RECURSIVE Order(_)
Order(S) == IF S = {} THEN <<>> ELSE LET w == CHOOSE w \in S : TRUE IN <<w>> \o Order(S \ {w})

-----------------------------------------------------------------------------
(* What a change makes of a workflow as it was seen. *)

\* By policy: what is not finished in time has failed, what waits too long is given up.
DefaultDue(state) == IF state \notin Defaults THEN None ELSE IF state = "ACTIVE" THEN "FAILED" ELSE "CANCELLED"

\* A deadline belongs to the state it was set for.
DueAfter(seen, to, wanted) ==
  LET due == IF wanted # None THEN wanted ELSE DefaultDue(to) IN
  IF seen.state = to THEN seen.due
  ELSE IF due = None THEN NoDue
  ELSE [to |-> due, set |-> seen.version + 1]

Event(w, seen, kind, to, r, revision, due) ==
  [workflow |-> w, from |-> seen.state, to |-> to, version |-> seen.version + 1, request |-> r, kind |-> kind,
   revision |-> revision, due |-> due]

Result(seen, event) ==
  [state |-> event.to, version |-> event.version, hold |-> NoHold, due |-> event.due,
   ripe |-> IF event.from = event.to THEN seen.ripe ELSE event.to # "FAILED" \/ ~Backoff]

Move(w, seen, kind, to, r, revision, wanted) == Event(w, seen, kind, to, r, revision, DueAfter(seen, to, wanted))

\* The events of one workflow that an allowed request writes.
EventsFor(w, seen, r, revision) ==
  LET b == body[r] IN
  CASE b.kind = "create" -> <<Move(w, seen, "create", "CREATED", r, revision, b.due)>>
    [] b.kind = "start" ->
         LET created == Event(w, seen, "create", "CREATED", r, 0, NoDue) IN
         <<created, Move(w, Result(seen, created), "move", "ACTIVE", r, revision, b.due)>>
    [] b.kind = "update" -> <<Event(w, seen, "update", seen.state, r, revision, seen.due)>>
    [] b.kind = "deadline" ->
         <<Event(w, seen, "deadline-set", seen.state, r, 0,
                 IF b.due = None THEN NoDue ELSE [to |-> b.due, set |-> seen.version + 1])>>
    [] OTHER -> <<Move(w, seen, b.kind, b.to, r, revision, b.due)>>

Last(s) == s[Len(s)]

RECURSIVE Joined(_, _)
Joined(order, written) == IF order = <<>> THEN <<>> ELSE written[Head(order)] \o Joined(Tail(order), written)

\* One write: `written` has the events of each workflow in it.
WriteAll(written) ==
  /\ wf' = [w \in Workflows |-> IF w \in DOMAIN written THEN Result(wf[w], Last(written[w])) ELSE wf[w]]
  /\ events' = events \o Joined(Order(DOMAIN written), written)

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
      version |-> i, request |-> None, kind |-> IF i = 1 THEN "create" ELSE "move", revision |-> 0, due |-> NoDue]]

RECURSIVE Histories(_, _)
Histories(order, start) ==
  IF order = <<>> THEN <<>> ELSE History(Head(order), start[Head(order)]) \o Histories(Tail(order), start)

Begun(state) == [Absent EXCEPT !.state = state, !.version = Len(Path(state)), !.ripe = state # "FAILED" \/ ~Backoff]

NewWatch(from) == [from |-> from, cursor |-> from, sent |-> <<>>, page |-> NoPage, told |-> 0, stored |-> from]

Init ==
  /\ \E start \in [Workflows -> StartStates] :
       /\ Cardinality({w \in Workflows : start[w] # "NONE"}) <= MaxWorkflows
       /\ events = Histories(Order(Workflows), start)
       /\ wf = [w \in Workflows |-> Begun(start[w])]
  /\ gone = {}
  /\ answered = [r \in Requests |-> None]
  /\ tx = [r \in Requests |-> None]
  /\ body = [r \in Requests |-> NoBody]
  /\ call = [c \in Calls |-> NoCall]
  /\ timer = [w \in Workflows |-> NoTimer]
  /\ engine = [up |-> TRUE, revision |-> 0]
  /\ up = TRUE
  /\ crashes = 0
  /\ watch = [v \in Watchers |-> NewWatch(Len(events))]

-----------------------------------------------------------------------------
(* The client. *)

Submit(r) ==
  /\ body[r] = NoBody
  /\ \E b \in Bodies : body' = [body EXCEPT ![r] = b]
  /\ call' = [call EXCEPT ![<<r, 1>>].phase = "sent"]
  /\ UNCHANGED <<durable, tx, timer, around, watch>>

\* An impatient client sends again under the same id while the first call is still under way.
Resend(r, a) ==
  /\ call[<<r, a>>].phase = "idle"
  /\ a > 1
  /\ call[<<r, a - 1>>].phase \notin {"idle", "answered"}
  /\ call' = [call EXCEPT ![<<r, a>>].phase = "sent"]
  /\ UNCHANGED <<durable, tx, body, timer, around, watch>>

-----------------------------------------------------------------------------
(* A call. *)

Answer(c, code) == call' = [call EXCEPT ![c] = [NoCall EXCEPT !.phase = "answered", !.code = code]]

\* Of several workflows, the first that is refused speaks for all.
First(S, CodeOf(_)) ==
  LET refused == SelectSeq(Order(S), LAMBDA w : CodeOf(w) # "ok") IN
  IF refused = <<>> THEN "ok" ELSE CodeOf(refused[1])

\* The checks that need no engine, in the order of the design.  "ok" goes on.
PrecheckOf(b, w) ==
  CASE w.state = "NONE" -> "WORKFLOW_NOT_FOUND"
    [] w.state = "PURGED" -> "WORKFLOW_PURGED"
    [] w.state \in Terminal -> "TERMINAL_STATE"
    [] b.expected \notin {0, w.version} -> "VERSION_MISMATCH"
    [] w.hold # NoHold -> "IN_TRANSITION"
    [] OTHER -> "ok"

Held(r) == \E w \in Workflows : wf[w].hold.request = r

Seen(b) == [w \in Workflows |-> IF w \in b.on /\ b.kind \notin Born THEN wf[w] ELSE Absent]

\* What is cancelled must be there, and a deadline names a move from the state that it is set for.
DueCheck(b) ==
  LET w == CHOOSE w \in b.on : TRUE IN
  CASE b.kind # "deadline" -> "ok"
    [] b.due = None -> IF wf[w].due = NoDue THEN "DEADLINE_NOT_SET" ELSE "ok"
    [] OTHER -> IF <<wf[w].state, b.due>> \in Lifecycle THEN "ok" ELSE "DEADLINE_INVALID"

\* A request id that has an answer gets it again.  One whose workflow it holds itself waits for the outcome.  Whether
\* an id is free is asked by the write alone.  Of several workflows the engine is asked about those that pass, so that
\* the client hears about each.
Load(c) ==
  LET b == body[c[1]] IN
  /\ up
  /\ call[c].phase = "sent"
  /\ IF answered[c[1]] # None THEN Answer(c, answered[c[1]])
     ELSE IF Held(c[1]) THEN call' = [call EXCEPT ![c].phase = "waiting"]
     ELSE IF b.kind \notin Born /\ \A w \in b.on : PrecheckOf(b, wf[w]) # "ok"
       THEN Answer(c, First(b.on, LAMBDA w : PrecheckOf(b, wf[w])))
     ELSE IF DueCheck(b) # "ok" THEN Answer(c, DueCheck(b))
     ELSE call' = [call EXCEPT ![c].phase = IF b.kind \in Unjudged THEN "judged" ELSE "loaded",
                               ![c].seen = Seen(b)]
  /\ UNCHANGED <<durable, tx, body, timer, around, watch>>

\* As far as it was seen.
Recoveries(w, seen) ==
  Cardinality({i \in DOMAIN EventsOf(w) : i <= seen.version /\ <<EventsOf(w)[i].from, EventsOf(w)[i].to>> = Recovery})

\* The clock is read when it is decided.
IsRipe(w, seen) == seen.ripe \/ (wf[w].version = seen.version /\ wf[w].ripe)

\* The checks on a move of what the engine has seen, in the order of the design.
MoveVerdict(w, seen, to, revision) ==
  CASE <<seen.state, to>> \notin Lifecycle -> "INVALID_TRANSITION"
    [] <<seen.state, to>> = Recovery /\ Recoveries(w, seen) >= MaxRecoveries -> "RECOVERIES_EXHAUSTED"
    [] <<seen.state, to>> = Recovery /\ ~IsRipe(w, seen) -> "RECOVERY_TOO_EARLY"
    [] <<seen.state, to>> \in Denied(revision) -> "RULE_DENIED"
    [] OTHER -> "ok"

VerdictOf(b, w, seen, revision) ==
  CASE b.kind = "start" -> MoveVerdict(w, [seen EXCEPT !.state = "CREATED"], "ACTIVE", revision)
    [] b.kind = "update" -> IF <<seen.state, seen.state>> \in Denied(revision) THEN "RULE_DENIED" ELSE "ok"
    [] b.kind \in Recovering /\ seen.state # "FAILED" -> "NOT_FAILED"
    [] OTHER -> MoveVerdict(w, seen, b.to, revision)

\* All checks of one workflow.  An engine that does not answer has not consented.
JudgedOf(b, w, seen) ==
  CASE b.kind \notin Born /\ PrecheckOf(b, seen) # "ok" -> PrecheckOf(b, seen)
    [] ~engine.up -> "PREDICATE_LOGIC_UNAVAILABLE"
    [] OTHER -> VerdictOf(b, w, seen, engine.revision)

\* The engine judges the moves from the states that were loaded, all by one revision, and says by which.
AskEngine(c) ==
  LET b == body[c[1]]
      judged == First(b.on, LAMBDA w : JudgedOf(b, w, call[c].seen[w]))
  IN
  /\ up
  /\ call[c].phase = "loaded"
  /\ IF judged # "ok" THEN Answer(c, judged)
     ELSE call' = [call EXCEPT ![c].phase = "judged", ![c].revision = engine.revision]
  /\ UNCHANGED <<durable, tx, body, timer, around, watch>>

\* A record is still the one that was seen.  The version alone would not do: a transaction that took hold in
\* between has changed no version.
IsSame(w, seen) ==
  /\ w.state # "PURGED"
  /\ w.version = seen.version
  /\ w.hold = NoHold

\* The write is for the workflows that were loaded, all of them, and for a request that has no answer yet.
Unchanged(c) ==
  LET b == body[c[1]] IN
  /\ \A w \in b.on : IsSame(wf[w], call[c].seen[w])
  /\ answered[c[1]] = None
  /\ b.kind \in Born => Cardinality(Existing) < MaxWorkflows

\* States, versions, events and request id in one write; or, for a transaction, the promise.
Write(c) ==
  LET r == c[1]
      b == body[r]
      seen == call[c].seen
      revision == call[c].revision
  IN
  /\ call' = [call EXCEPT ![c] = [NoCall EXCEPT !.phase = "waiting"]]
  /\ IF b.kind \in Enlisted
       THEN /\ wf' = [w \in Workflows |->
                IF w \in b.on THEN [wf[w] EXCEPT !.hold = [request |-> r, to |-> b.to, revision |-> revision, due |-> b.due]]
                ELSE wf[w]]
            /\ UNCHANGED <<events, gone, answered>>
       ELSE /\ WriteAll([w \in b.on |-> EventsFor(w, seen[w], r, revision)])
            /\ answered' = [answered EXCEPT ![r] = "OK"]
            /\ UNCHANGED gone

\* A lost comparison is tried again from the start, a bounded number of times.
TryAgain(c) ==
  IF call[c].tries < MaxTries
    THEN call' = [call EXCEPT ![c] = [NoCall EXCEPT !.phase = "sent", !.tries = call[c].tries + 1]]
    ELSE Answer(c, "VERSION_MISMATCH")

\* Why a workflow was not created.
Taken(c) ==
  LET w == CHOOSE w \in body[c[1]].on : TRUE IN
  CASE answered[c[1]] # None -> answered[c[1]]
    [] wf[w].state = "PURGED" -> "WORKFLOW_PURGED"
    [] wf[w].state # "NONE" -> "WORKFLOW_ALREADY_EXISTS"
    [] OTHER -> "WORKFLOW_LIMIT_REACHED"

Apply(c) ==
  /\ up
  /\ call[c].phase = "judged"
  /\ IF Unchanged(c) THEN Write(c)
     ELSE /\ IF body[c[1]].kind \in Born THEN Answer(c, Taken(c)) ELSE TryAgain(c)
          /\ UNCHANGED durable
  /\ UNCHANGED <<tx, body, timer, around, watch>>

\* The acknowledgement comes after the write is durable.
Reply(c) ==
  /\ up
  /\ call[c].phase = "waiting"
  /\ answered[c[1]] # None
  /\ Answer(c, answered[c[1]])
  /\ UNCHANGED <<durable, tx, body, timer, around, watch>>

-----------------------------------------------------------------------------
(* The transaction that holds workflows.  AtomicTransition puts TwoPhaseCommit in its place. *)

\* It may abort at any time; it commits only what was promised.
TxDecide(r, outcome) ==
  /\ tx[r] = None
  /\ body[r].kind \in Enlisted
  /\ outcome = "commit" => Held(r)
  /\ tx' = [tx EXCEPT ![r] = outcome]
  /\ UNCHANGED <<durable, body, volatile, around, watch>>

HeldBy(r) == {w \in Workflows : wf[w].hold.request = r}

\* Nothing is checked again: the promise was to be able to do either.  All that it holds moves in one write.
TxCommit(r) ==
  /\ up
  /\ Held(r)
  /\ tx[r] = "commit"
  /\ WriteAll([w \in HeldBy(r) |->
       <<Move(w, wf[w], body[r].kind, wf[w].hold.to, r, wf[w].hold.revision, wf[w].hold.due)>>])
  /\ answered' = [answered EXCEPT ![r] = "OK"]
  /\ UNCHANGED <<gone, tx, body, volatile, around, watch>>

\* Of a transaction the participant does one thing after the other: an abort waits for what is being prepared.
Preparing(r) ==
  \E a \in 1..Attempts :
    \/ call[<<r, a>>].phase \in {"loaded", "judged"}
    \/ call[<<r, a>>].phase = "sent" /\ call[<<r, a>>].tries > 0

\* With or without a hold to release, the outcome is kept: a promise that comes after it finds it.
TxAbort(r) ==
  /\ up
  /\ ~Preparing(r)
  /\ tx[r] = "abort"
  /\ answered[r] = None
  /\ wf' = [w \in Workflows |-> IF wf[w].hold.request = r THEN [wf[w] EXCEPT !.hold = NoHold] ELSE wf[w]]
  /\ answered' = [answered EXCEPT ![r] = "TRANSACTION_ABORTED"]
  /\ UNCHANGED <<events, gone, tx, body, volatile, around, watch>>

-----------------------------------------------------------------------------
(* Deadlines.  Time is not modelled: a deadline may have passed whenever there is one.  What is done then goes the   *)
(* way of a call: load, ask, decide and write, and no lock between them.  One that would recover a workflow has not  *)
(* passed before it may be recovered.                                                                                 *)

Fire(w) ==
  /\ up
  /\ timer[w].phase = "idle"
  /\ wf[w].due # NoDue
  /\ <<wf[w].state, wf[w].due.to>> = Recovery => wf[w].ripe
  /\ wf[w].hold = NoHold
  /\ timer' = [timer EXCEPT ![w] = [NoTimer EXCEPT !.phase = "loaded", !.seen = wf[w]]]
  /\ UNCHANGED <<durable, tx, body, call, around, watch>>

\* An engine that cannot be asked is asked again later.
TimerAsks(w) ==
  /\ up
  /\ timer[w].phase = "loaded"
  /\ timer' = [timer EXCEPT ![w] =
       IF engine.up THEN [@ EXCEPT !.phase = "judged", !.revision = engine.revision] ELSE NoTimer]
  /\ UNCHANGED <<durable, tx, body, call, around, watch>>

\* What is refused is refused for good, and the history says so.  What has changed since is looked at anew.
TimerActs(w) ==
  LET seen == timer[w].seen
      revision == timer[w].revision
      verdict == MoveVerdict(w, seen, seen.due.to, revision)
  IN
  /\ up
  /\ timer[w].phase = "judged"
  /\ timer' = [timer EXCEPT ![w] = NoTimer]
  /\ IF ~IsSame(wf[w], seen) THEN UNCHANGED durable
     ELSE /\ WriteAll(w :> <<
               IF verdict = "ok" THEN Move(w, seen, "deadline", seen.due.to, None, revision, None)
               ELSE Event(w, seen, "deadline-refused", seen.state, None, IF verdict = "RULE_DENIED" THEN revision ELSE 0, NoDue)>>)
          /\ UNCHANGED <<gone, answered>>
  /\ UNCHANGED <<tx, body, call, around, watch>>

-----------------------------------------------------------------------------
(* The surroundings. *)

EngineDown ==
  /\ engine.up
  /\ engine' = [engine EXCEPT !.up = FALSE]
  /\ UNCHANGED <<durable, tx, body, volatile, up, crashes, watch>>

EngineUp ==
  /\ ~engine.up
  /\ engine' = [engine EXCEPT !.up = TRUE]
  /\ UNCHANGED <<durable, tx, body, volatile, up, crashes, watch>>

ChangeRules ==
  /\ engine.revision < MaxRevision
  /\ engine' = [engine EXCEPT !.revision = @ + 1]
  /\ UNCHANGED <<durable, tx, body, volatile, up, crashes, watch>>

\* The time in which what has failed is left alone is over.
Ripen(w) ==
  /\ ~wf[w].ripe
  /\ wf' = [wf EXCEPT ![w].ripe = TRUE]
  /\ UNCHANGED <<events, gone, answered, tx, body, volatile, around, watch>>

\* A workflow that has ended is removed with its events.  Its id stays taken, and its requests keep their answers.
Purge(w) ==
  /\ MayPurge
  /\ up
  /\ wf[w].state \in Terminal
  /\ wf' = [wf EXCEPT ![w] = Purged]
  /\ gone' = gone \cup {i \in DOMAIN events : events[i].workflow = w}
  /\ UNCHANGED <<events, answered, tx, body, volatile, around, watch>>

\* The calls are gone; their clients will send them again.  So are the streams, whose cursors are the watchers'.  A sink
\* goes on from what was stored.
Crash ==
  /\ up
  /\ crashes < MaxCrash
  /\ up' = FALSE
  /\ crashes' = crashes + 1
  /\ call' = [c \in Calls |->
       IF call[c].phase \in {"idle", "answered"} THEN call[c] ELSE [NoCall EXCEPT !.phase = "sent"]]
  /\ timer' = [w \in Workflows |-> NoTimer]
  /\ watch' = [v \in Watchers |->
       [watch[v] EXCEPT !.page = NoPage, !.cursor = IF v \in Sinks THEN watch[v].stored ELSE watch[v].cursor]]
  /\ UNCHANGED <<durable, tx, body, engine>>

Restart ==
  /\ ~up
  /\ up' = TRUE
  /\ UNCHANGED <<durable, tx, body, volatile, engine, crashes, watch>>

-----------------------------------------------------------------------------
(* Watchers. *)

\* From here on nothing is missing.
Oldest == IF gone = {} THEN 1 ELSE 1 + CHOOSE i \in gone : \A j \in gone : j <= i

\* A page is read of what is there.
Fetch(v) ==
  /\ up
  /\ watch[v].told = 0
  /\ watch[v].page = NoPage
  /\ \E last \in (watch[v].cursor + 1)..Len(events) :
       watch' = [watch EXCEPT ![v].page = [upTo |-> last, rows |-> ((watch[v].cursor + 1)..last) \ gone]]
  /\ UNCHANGED <<durable, tx, body, volatile, around>>

RECURSIVE Ascending(_)
Ascending(S) == IF S = {} THEN <<>> ELSE LET i == CHOOSE i \in S : \A j \in S : i <= j IN <<i>> \o Ascending(S \ {i})

\* After it was read is seen what may have been missing in it: then the watch ends with the sequence from which on it
\* can begin anew.
Deliver(v) ==
  /\ up
  /\ watch[v].page # NoPage
  /\ watch' = [watch EXCEPT ![v] =
       IF Oldest > watch[v].cursor + 1
         THEN [@ EXCEPT !.page = NoPage, !.told = Oldest]
         ELSE [@ EXCEPT !.page = NoPage, !.cursor = watch[v].page.upTo, !.sent = @ \o Ascending(watch[v].page.rows)]]
  /\ UNCHANGED <<durable, tx, body, volatile, around>>

WatchAnew(v) ==
  /\ watch[v].told # 0
  /\ watch' = [watch EXCEPT ![v] = NewWatch(watch[v].told - 1)]
  /\ UNCHANGED <<durable, tx, body, volatile, around>>

\* How far a sink is, is stored after it has acknowledged, and seldom: what a crash forgets is published again.
Store(v) ==
  /\ v \in Sinks
  /\ up
  /\ watch[v].stored # watch[v].cursor
  /\ watch' = [watch EXCEPT ![v].stored = watch[v].cursor]
  /\ UNCHANGED <<durable, tx, body, volatile, around>>

-----------------------------------------------------------------------------
CallStep(c) == Load(c) \/ Apply(c) \/ Reply(c)

TxStep(r) == TxAbort(r) \/ TxCommit(r)

TimerStep(w) == Fire(w) \/ TimerAsks(w) \/ TimerActs(w)

WatchStep(v) == Fetch(v) \/ Deliver(v) \/ WatchAnew(v) \/ Store(v)

Next ==
  \/ \E r \in Requests :
       \/ Submit(r)
       \/ \E a \in 1..Attempts : Resend(r, a)
       \/ \E outcome \in {"commit", "abort"} : TxDecide(r, outcome)
       \/ TxStep(r)
  \/ \E c \in Calls : CallStep(c) \/ AskEngine(c)
  \/ \E w \in Workflows : TimerStep(w) \/ Ripen(w) \/ Purge(w)
  \/ EngineDown \/ EngineUp \/ ChangeRules \/ Crash \/ Restart
  \/ \E v \in Watchers : WatchStep(v)

Spec == Init /\ [][Next]_vars

\* Nobody owes a request, an outage, a change of rules, a purge or a crash.  The engine owes an answer, except to Slow.
Fairness ==
  /\ \A c \in Calls : WF_vars(CallStep(c))
  /\ \A c \in Calls : c[1] \notin Slow => WF_vars(AskEngine(c))
  /\ \A r \in Requests : WF_vars(TxStep(r)) /\ WF_vars(Held(r) /\ \E outcome \in {"commit", "abort"} : TxDecide(r, outcome))
  /\ \A w \in Workflows : WF_vars(TimerStep(w)) /\ WF_vars(Ripen(w))
  /\ \A v \in Watchers : WF_vars(WatchStep(v))
  /\ WF_vars(Restart)

LiveSpec == Spec /\ Fairness

Symmetry == Permutations(Requests)

-----------------------------------------------------------------------------
(* Invariants. *)

HoldType == [request: Requests \cup {None}, to: States \cup {None}, revision: 0..MaxRevision, due: States \cup {None}]

TypeOK ==
  /\ \A w \in Workflows :
       /\ wf[w].state \in States \cup {"NONE", "PURGED"}
       /\ wf[w].version \in Nat
       /\ wf[w].hold \in HoldType
       /\ wf[w].due.to \in States \cup {None}
       /\ wf[w].ripe \in BOOLEAN
       /\ timer[w].phase \in {"idle", "loaded", "judged"}
  /\ gone \subseteq DOMAIN events
  /\ answered \in [Requests -> {None, "OK", "TRANSACTION_ABORTED"}]
  /\ tx \in [Requests -> {None, "commit", "abort"}]
  /\ \A r \in Requests : body[r] \in Bodies \cup {NoBody}
  /\ \A c \in Calls :
       /\ call[c].phase \in {"idle", "sent", "loaded", "judged", "waiting", "answered"}
       /\ call[c].code \in Codes \cup {None}
       /\ call[c].tries \in 0..MaxTries
       /\ DOMAIN call[c].seen = Workflows
  /\ \A v \in Watchers : watch[v].from \in Nat /\ watch[v].told \in Nat
  /\ engine \in [up: BOOLEAN, revision: 0..MaxRevision]
  /\ up \in BOOLEAN
  /\ crashes \in 0..MaxCrash

\* The record of a workflow is what its events say, and is gone exactly when they are.
StateConsistency ==
  \A w \in Workflows :
    IF wf[w].state = "PURGED" THEN \A i \in DOMAIN events : events[i].workflow = w => i \in gone
    ELSE IF EventsOf(w) = <<>> THEN wf[w] = Absent
    ELSE /\ wf[w].state = Last(EventsOf(w)).to
         /\ wf[w].due = Last(EventsOf(w)).due
         /\ \A i \in gone : events[i].workflow # w

\* What moves nothing.
Stays == {"update", "deadline-set", "deadline-refused"}

\* Every change is a creation, one of the nine moves, or none.
TransitionValidity ==
  \A i \in DOMAIN events :
    IF events[i].kind = "create" THEN events[i].from = "NONE" /\ events[i].to = "CREATED"
    ELSE IF events[i].kind \in Stays THEN events[i].from = events[i].to /\ events[i].to \notin Terminal
    ELSE <<events[i].from, events[i].to>> \in Lifecycle

\* An id names one workflow for ever: it is created once, before anything else happens to it.
WorkflowUniqueness ==
  \A w \in Workflows : \A i \in DOMAIN EventsOf(w) : (EventsOf(w)[i].kind = "create") <=> (i = 1)

\* No update is lost: each change starts where the one before it ended, and a held workflow has not moved
\* away from the promise that was made for it.  Who names a version changes that one or nothing, so of those who name the
\* same one succeeds; the last line says so of a hold before it commits.
ConcurrentSafety ==
  /\ \A i \in DOMAIN events :
       LET r == events[i].request IN r # None => body[r].expected \in {0, events[i].version - 1}
  /\ \A w \in Workflows :
       /\ \A i \in 2..Len(EventsOf(w)) : EventsOf(w)[i].from = EventsOf(w)[i - 1].to
       /\ \A n \in Expected \ {0} :
            Cardinality({r \in Requests : answered[r] = "OK" /\ body[r].expected = n /\ w \in body[r].on}) <= 1
       /\ wf[w].hold # NoHold =>
            /\ <<wf[w].state, wf[w].hold.to>> \in Lifecycle
            /\ <<wf[w].state, wf[w].hold.to>> \notin Denied(wf[w].hold.revision)
            /\ body[wf[w].hold.request].expected \in {0, wf[w].version}

\* No change without the engine's word: the revision that the event names allows it.  That it is the one that was current
\* when the engine was asked is RevisionNamed and EngineIsAsked.
PredicateLogicDependency ==
  \A i \in DOMAIN events :
    events[i].kind \notin {"deadline-set", "deadline-refused"} =>
      <<events[i].from, events[i].to>> \notin Denied(events[i].revision)

\* Only what has failed is recovered, and what is called recovered is.
RecoverySessionValidity ==
  /\ \A i \in DOMAIN events : events[i].kind \in Recovering => <<events[i].from, events[i].to>> = Recovery
  /\ \A r \in Requests : body[r].kind \in Recovering /\ answered[r] = "OK" =>
       \E i \in DOMAIN events : events[i].request = r /\ <<events[i].from, events[i].to>> = Recovery

RecoveriesBounded == \A w \in Workflows : Recoveries(w, wf[w]) <= MaxRecoveries

BoundedWorkflows == Cardinality(Existing) <= MaxWorkflows

\* How many events a request writes that is done.
Owed(b) == IF b.kind = "start" THEN 2 ELSE Cardinality(b.on)

\* One request changes what it asks for, once, and all its calls hear the same about it.  One that has
\* its answer holds nothing any more.
AtMostOncePerRequestId ==
  \A r \in Requests :
    LET own == {i \in DOMAIN events : events[i].request = r} IN
    /\ Cardinality(own) = (IF answered[r] = "OK" THEN Owed(body[r]) ELSE 0)
    /\ \A c \in Calls : c[1] = r /\ call[c].code \in {"OK", "TRANSACTION_ABORTED"} => call[c].code = answered[r]
    /\ Held(r) => answered[r] = None

\* Is this what was asked for?
IsWhat(b, event) ==
  /\ CASE b.kind = "create" -> event.kind = "create"
       [] b.kind = "start" -> event.kind = "move" /\ event.to = "ACTIVE"
       [] b.kind = "update" -> event.kind = "update"
       [] b.kind = "deadline" -> event.kind = "deadline-set" /\ (b.due = None => event.due = NoDue)
       [] OTHER -> event.kind = b.kind /\ event.to = b.to
  /\ b.due # None => event.due = [to |-> b.due, set |-> event.version]

\* Who hears that it is done, for that it is done.
DoneAsAsked ==
  \A r \in Requests : answered[r] = "OK" =>
    \A w \in body[r].on :
      \E i \in DOMAIN events : events[i].request = r /\ events[i].workflow = w /\ IsWhat(body[r], events[i])

\* What a transaction has held ends as it was decided, and nothing else ends otherwise than done.
OutcomeIsDecision ==
  \A r \in Requests :
    /\ answered[r] = "OK" => tx[r] = (IF body[r].kind \in Enlisted THEN "commit" ELSE None)
    /\ answered[r] = "TRANSACTION_ABORTED" => tx[r] = "abort" /\ \A i \in DOMAIN events : events[i].request # r

\* What is asked for together is held together and done together, under one revision: all of it or nothing.
AllOrNothing ==
  \A r \in Requests :
    LET own == {i \in DOMAIN events : events[i].request = r} IN
    /\ HeldBy(r) \in {{}, body[r].on}
    /\ {events[i].workflow : i \in own} \in {{}, body[r].on}
    /\ Cardinality({events[i].revision : i \in {i \in own : events[i].kind # "create"}}) <= 1

\* A version is an event and an event is a version.
EventPerChange ==
  \A w \in Workflows :
    /\ wf[w].state # "PURGED" => wf[w].version = Len(EventsOf(w))
    /\ \A i \in DOMAIN EventsOf(w) : EventsOf(w)[i].version = i

ByDeadline == {"deadline", "deadline-refused"}

\* What the system does by itself is what the deadline asked for that was in force right before: not one that was
\* changed or cancelled, nor one of another state.
DeadlineHonest ==
  \A w \in Workflows : \A i \in DOMAIN EventsOf(w) :
    LET event == EventsOf(w)[i] IN
    event.kind \in ByDeadline =>
      /\ i > 1
      /\ LET before == EventsOf(w)[i - 1] IN
         /\ before.due # NoDue
         /\ event.kind = "deadline" => event.to = before.due.to
         /\ \A j \in (before.due.set + 1)..(i - 1) : EventsOf(w)[j].kind \in Stays

\* A deadline ends once.
DeadlineOnce ==
  \A w \in Workflows :
    LET ended == {i \in DOMAIN EventsOf(w) : EventsOf(w)[i].kind \in ByDeadline} IN
    /\ \A i \in ended : EventsOf(w)[i].due.set \in {0, i}
    /\ \A i, j \in ended : i # j => EventsOf(w)[i - 1].due.set # EventsOf(w)[j - 1].due.set

\* What moves nothing leaves the deadline as it is, unless that is what it is about.
DeadlineKept ==
  \A w \in Workflows : \A i \in DOMAIN EventsOf(w) :
    EventsOf(w)[i].kind = "update" => i > 1 /\ EventsOf(w)[i].due = EventsOf(w)[i - 1].due

\* A deadline names a move from the state that the workflow is in.
DeadlineLegal == \A w \in Workflows : wf[w].due # NoDue => <<wf[w].state, wf[w].due.to>> \in Lifecycle

\* What a watcher was sent is what happened since it began: all of it, in order, once; where it is, it knows itself.  A sink may
\* be sent again what comes after what is stored, and is never sent anything before what precedes it.
\* The last line is what a crash makes of the one before it: it is said of what is stored, so that it shows without one.
NoEventSkipped ==
  \A v \in Watchers :
    LET from == watch[v].from
        sent == watch[v].sent
    IN
    /\ watch[v].cursor >= from
    /\ IF v \notin Sinks
       THEN sent = [i \in 1..(watch[v].cursor - from) |-> from + i] /\ watch[v].stored = from
       ELSE /\ \A k \in DOMAIN sent : sent[k] = from + 1 \/ \E j \in 1..(k - 1) : sent[j] = sent[k] - 1
            /\ (from + 1)..watch[v].cursor \subseteq Range(sent)
            /\ (from + 1)..watch[v].stored \subseteq Range(sent)

\* A watcher is told that something is missing only if something is after its cursor, and from where on nothing is.  Nothing is
\* read for it any more.
CompactedTruly ==
  \A v \in Watchers :
    watch[v].told # 0 =>
      /\ watch[v].page = NoPage
      /\ \E i \in gone : i > watch[v].cursor
      /\ watch[v].told <= Oldest

\* What a crash leaves is what is durable: no call is under way, no deadline is being met, no page has been read, and a sink is
\* where it was stored.
CrashForgets ==
  ~up =>
    /\ \A c \in Calls : call[c].phase \in {"idle", "sent", "answered"}
    /\ \A w \in Workflows : timer[w] = NoTimer
    /\ \A v \in Watchers : watch[v].page = NoPage /\ (v \in Sinks => watch[v].cursor = watch[v].stored)

-----------------------------------------------------------------------------
(* Action properties. *)

\* While the manager is away nothing happens to what it keeps, nobody hears from it, and nobody is sent anything.  Clients may
\* send, time passes, and watchers may mean to begin anew.
NothingWhileDown ==
  [][~up =>
       /\ UNCHANGED <<events, gone, answered, timer, crashes>>
       /\ \A w \in Workflows : [wf[w] EXCEPT !.ripe = TRUE] = [wf'[w] EXCEPT !.ripe = TRUE]
       /\ \A c \in Calls : call[c].phase # "idle" => call'[c] = call[c]
       /\ \A v \in Watchers : watch[v].told = 0 => watch'[v] = watch[v]]_vars

\* A client sends a call once, and the next one of its request only while the one before is under way.  A call goes on until it
\* is answered, once; it is begun anew after a crash, or after a conflict, which is counted.
CallsGoOn ==
  [][\A r \in Requests, a \in 1..Attempts :
       LET before == call[<<r, a>>]
           after == call'[<<r, a>>]
       IN
       before # after =>
         CASE before.phase = "idle" ->
                after.phase = "sent" /\ (a > 1 => call[<<r, a - 1>>].phase \in {"sent", "loaded", "judged", "waiting"})
           [] before.phase = "answered" -> FALSE
           [] OTHER ->
                /\ after.phase # "idle"
                /\ after.phase = "sent" => crashes' > crashes \/ after.tries = before.tries + 1]_vars

TerminalStateImmutability ==
  [][\A w \in Workflows : wf[w].state \in Terminal => wf'[w] \in {wf[w], Purged}]_vars

\* Only what has ended is purged, and for ever.
PurgedOnlyEnded ==
  [][\A w \in Workflows :
       /\ wf'[w].state = "PURGED" => wf[w].state \in Terminal \cup {"PURGED"}
       /\ wf[w].state = "PURGED" => wf'[w] = wf[w]]_vars

VersionMonotonicity ==
  [][\A w \in Workflows :
       \/ wf'[w].version = wf[w].version /\ wf'[w].state = wf[w].state
       \/ wf'[w].version = wf[w].version + 1
       \/ wf[w].state = "NONE" /\ wf'[w].version = 2
       \/ wf'[w].state = "PURGED"]_vars

\* A step in which a call writes.
Writes(c) == call[c].phase = "judged" /\ call'[c].phase = "waiting"

\* A call is judged by the engine's word, at the moment it is given, and by nothing else; and so is a deadline.
EngineIsAsked ==
  [][/\ \A c \in Calls : call[c].phase # "judged" /\ call'[c].phase = "judged" /\ body[c[1]].kind \notin Unjudged =>
          engine.up /\ call'[c].revision = engine.revision
     /\ \A w \in Workflows : timer[w].phase = "loaded" /\ timer'[w].phase = "judged" =>
          engine.up /\ timer'[w].revision = engine.revision]_vars

\* An event names the revision that its change was judged by: the call's, the hold's that is the call's, or the timer's.
RevisionNamed ==
  [][/\ \A i \in (Len(events) + 1)..Len(events') :
          LET event == events'[i]
              w == event.workflow
              r == event.request
          IN
          CASE event.kind \in {"create", "deadline-set"} -> event.revision = 0
            [] event.kind = "deadline" -> timer[w].phase = "judged" /\ event.revision = timer[w].revision
            [] event.kind = "deadline-refused" -> event.revision \in {0, timer[w].revision}
            [] event.kind \in Enlisted -> wf[w].hold.request = r /\ event.revision = wf[w].hold.revision
            [] OTHER -> \E c \in Calls : Writes(c) /\ c[1] = r /\ event.revision = call[c].revision
     /\ \A w \in Workflows : wf[w].hold = NoHold /\ wf'[w].hold # NoHold =>
          \E c \in Calls :
            /\ Writes(c)
            /\ wf'[w].hold = [request |-> c[1], to |-> body[c[1]].to, revision |-> call[c].revision, due |-> body[c[1]].due]]_vars

\* A retry that arrives after the answer hears the answer, and no other.
RetryHearsFirstAnswer ==
  [][\A c \in Calls :
       /\ call[c].phase = "sent"
       /\ call'[c].phase # "sent"
       /\ answered[c[1]] # None
       => call'[c].code = answered[c[1]]]_vars

\* A promise is kept, all of it, until the transaction is decided, and ends with its outcome.
HoldKept ==
  [][\A w \in Workflows : wf[w].hold # NoHold /\ wf'[w].hold # wf[w].hold =>
       LET r == wf[w].hold.request IN
       /\ wf'[w].hold = NoHold
       /\ tx[r] = "commit" => wf'[w].version = wf[w].version + 1 /\ answered'[r] = "OK"
       /\ tx[r] = "abort" => wf'[w].version = wf[w].version /\ answered'[r] = "TRANSACTION_ABORTED"
       /\ tx[r] # None]_vars

\* What has failed is left alone as long as the policy says.
RecoveryNotEarly ==
  [][\A w \in Workflows : wf[w].state = "FAILED" /\ wf'[w].state = "ACTIVE" => wf[w].ripe]_vars

\* History is only added to; what is gone stays gone.
HistoryImmutable ==
  [][/\ Len(events') >= Len(events)
     /\ SubSeq(events', 1, Len(events)) = events
     /\ gone \subseteq gone']_vars

-----------------------------------------------------------------------------
(* The contract: the code that a request is to hear.  It is told of the history, and not of the record that the steps above   *)
(* go by: reasons to refuse, in their order, and the first that holds speaks.                                                 *)

\* What there is to know of a workflow of which this record was read.
View(w, record) ==
  [past |-> SubSeq(EventsOf(w), 1, record.version), isHeld |-> record.hold # NoHold, isPurged |-> record.state = "PURGED",
   isRipe |-> record.ripe \/ (wf[w].version = record.version /\ wf[w].ripe)]

CheckedFor == <<"WORKFLOW_NOT_FOUND", "WORKFLOW_PURGED", "TERMINAL_STATE", "VERSION_MISMATCH", "IN_TRANSITION">>
DueFor == <<"DEADLINE_NOT_SET", "DEADLINE_INVALID">>
JudgedFor == <<"NOT_FAILED", "INVALID_TRANSITION", "RECOVERIES_EXHAUSTED", "RECOVERY_TOO_EARLY", "RULE_DENIED">>
CreatedFor == <<"WORKFLOW_PURGED", "WORKFLOW_ALREADY_EXISTS", "WORKFLOW_LIMIT_REACHED">>
Asked == <<"PREDICATE_LOGIC_UNAVAILABLE">> \o JudgedFor

Holds(code, b, view, revision) ==
  LET at == IF view.past = <<>> THEN (IF b.kind \in Born THEN "CREATED" ELSE "NONE") ELSE Last(view.past).to
      move == <<at, IF b.to = None THEN at ELSE b.to>>
      moves == b.kind # "create" /\ b.to # None
      recovered == {i \in DOMAIN view.past : view.past[i].from = "FAILED" /\ view.past[i].to = "ACTIVE"}
  IN
  CASE code = "WORKFLOW_NOT_FOUND" -> view.past = <<>> /\ ~view.isPurged
    [] code = "WORKFLOW_PURGED" -> view.isPurged
    [] code = "TERMINAL_STATE" -> at = "COMPLETED" \/ at = "CANCELLED"
    [] code = "VERSION_MISMATCH" -> b.expected > 0 /\ b.expected # Len(view.past)
    [] code = "IN_TRANSITION" -> view.isHeld
    [] code = "DEADLINE_NOT_SET" -> b.kind = "deadline" /\ b.due = None /\ (view.past = <<>> \/ Last(view.past).due.to = None)
    [] code = "DEADLINE_INVALID" -> b.kind = "deadline" /\ b.due # None /\ <<at, b.due>> \notin Lifecycle
    [] code = "PREDICATE_LOGIC_UNAVAILABLE" -> ~engine.up
    [] code = "NOT_FAILED" -> b.kind \in {"recover", "enlist-recovery"} /\ at # "FAILED"
    [] code = "INVALID_TRANSITION" -> moves /\ move \notin Lifecycle
    [] code = "RECOVERIES_EXHAUSTED" -> moves /\ at = "FAILED" /\ b.to = "ACTIVE" /\ Cardinality(recovered) >= MaxRecoveries
    [] code = "RECOVERY_TOO_EARLY" -> moves /\ at = "FAILED" /\ b.to = "ACTIVE" /\ ~view.isRipe
    [] code = "RULE_DENIED" -> move \in Denied(revision)
    [] code = "WORKFLOW_ALREADY_EXISTS" -> view.past # <<>>
    [] code = "WORKFLOW_LIMIT_REACHED" -> Cardinality(Existing) >= MaxWorkflows

\* Of several workflows, the first that is refused speaks for all.
Demanded(b, reasons, record, revision) ==
  LET about == Order(b.on)
      refusals == {p \in (DOMAIN about) \X (DOMAIN reasons) : Holds(reasons[p[2]], b, View(about[p[1]], record[about[p[1]]]), revision)}
      isFirst(p) == \A q \in refusals : p[1] < q[1] \/ (p[1] = q[1] /\ p[2] <= q[2])
  IN IF refusals = {} THEN "ok" ELSE reasons[(CHOOSE p \in refusals : isFirst(p))[2]]

\* A record is not the one that was loaded.
HasChanged(c) ==
  \E w \in body[c[1]].on :
    \/ wf[w].state = "PURGED"
    \/ wf[w].version # call[c].seen[w].version
    \/ wf[w].hold # NoHold

Answers(c) == call[c].phase \notin {"idle", "answered"} /\ call'[c].phase = "answered"

\* What is read of the store is answered by what is there; what the engine has judged, by what was there and by what rules now;
\* what a write has lost to, by that.
DemandedOf(c) ==
  LET b == body[c[1]]
      isBorn == b.kind \in Born
  IN
  CASE answered[c[1]] # None /\ (isBorn \/ call[c].phase # "judged") /\ call[c].phase # "loaded" -> answered[c[1]]
    [] call[c].phase = "sent" -> Demanded(b, CheckedFor \o DueFor, wf, 0)
    [] call[c].phase = "loaded" ->
         Demanded(b, (IF isBorn THEN <<>> ELSE CheckedFor) \o Asked, call[c].seen, engine.revision)
    [] call[c].phase = "judged" /\ isBorn -> Demanded(b, CreatedFor, wf, 0)
    [] call[c].phase = "judged" /\ call[c].tries = MaxTries /\ HasChanged(c) -> "VERSION_MISMATCH"
    [] OTHER -> "nothing"

AnswerIsDemanded == [][\A c \in Calls : Answers(c) => call'[c].code = DemandedOf(c)]_vars

\* What is loaded is what is there, unless all of it is refused; what is judged is allowed; and what is written, or held, is what
\* the contract allows of the workflows as they are then.
StepIsDemanded ==
  [][\A c \in Calls :
       LET r == c[1]
           b == body[r]
           isBorn == b.kind \in Born
       IN
       /\ call[c].phase = "sent" /\ call'[c].phase \in {"loaded", "judged"} =>
            /\ answered[r] = None
            /\ ~isBorn =>
                 /\ \A w \in b.on : call'[c].seen[w] = wf[w]
                 /\ \E w \in b.on : Demanded([b EXCEPT !.on = {w}], CheckedFor \o DueFor, wf, 0) = "ok"
       /\ call[c].phase = "loaded" /\ call'[c].phase = "judged" =>
            Demanded(b, (IF isBorn THEN <<>> ELSE CheckedFor) \o Asked, call[c].seen, engine.revision) = "ok"
       /\ Writes(c) =>
            /\ answered[r] = None
            /\ Demanded(b, IF isBorn THEN CreatedFor ELSE CheckedFor \o DueFor, wf, 0) = "ok"
            /\ b.kind \notin Unjudged => Demanded(b, JudgedFor, wf, call[c].revision) = "ok"]_vars

\* A deadline makes the move that a request for it would make, and is refused only if that one would be; if by a rule, it says by
\* which revision.  What a transaction holds it leaves alone.
DeadlineIsDemanded ==
  [][/\ \A w \in Workflows : timer[w] = NoTimer /\ timer'[w] # NoTimer => wf[w].hold = NoHold
     /\ \A i \in (Len(events) + 1)..Len(events') :
          LET event == events'[i]
              w == event.workflow
              asked == [NoBody EXCEPT !.kind = "move", !.on = {w}, !.to = wf[w].due.to]
              demanded == Demanded(asked, JudgedFor, wf, timer[w].revision)
          IN
          event.kind \in ByDeadline =>
            /\ Demanded(asked, CheckedFor, wf, 0) = "ok"
            /\ (event.kind = "deadline") <=> (demanded = "ok")
            /\ event.kind = "deadline-refused" => event.revision = (IF demanded = "RULE_DENIED" THEN timer[w].revision ELSE 0)]_vars

-----------------------------------------------------------------------------
(* Liveness, of LiveSpec. *)

Submitted(r) == body[r] # NoBody

\* Every call is answered, if the engine answers, also one that was cut off by a crash and sent again.  No client leaves here;
\* one that does is answered all the same, and does not hear it.
TransitionCompletion ==
  \A c \in Calls : c[1] \notin Slow => call[c].phase = "sent" ~> call[c].phase = "answered"

\* One request that the engine leaves without an answer stops no other.
ProgressGuarantee == \A r \in Requests \ Slow : Submitted(r) ~> call[<<r, 1>>].phase = "answered"

\* After a crash everything is taken up again: the manager runs, and what was held is released.
RecoveryCompleteness ==
  /\ ~up ~> up
  /\ \A w \in Workflows, r \in Requests : wf[w].hold.request = r ~> wf[w].hold.request # r
  /\ \A r \in Requests \ Slow : body[r].kind = "recover" ~> call[<<r, 1>>].phase = "answered"

\* A deadline does not wait for ever, if the engine does not stay away: it is met, refused, changed or outlived.
DeadlineFires ==
  \A w \in Workflows : []<>(wf[w].due = NoDue) \/ []<>(~engine.up)

\* Every watcher gets every event, or learns that it is gone.
EventDelivery ==
  \A v \in Watchers : \A n \in 1..(3 * Cardinality(Workflows) + Cardinality(Requests)) :
    Len(events) = n ~> watch[v].cursor >= n

-----------------------------------------------------------------------------
(* Witnesses: each is an invariant that must be violated, for the state it excludes can be reached. *)

NeverAnswered(code) == \A c \in Calls : call[c].code # code

NeverOk == NeverAnswered("OK")
NeverNotFound == NeverAnswered("WORKFLOW_NOT_FOUND")
NeverPurgedFound == NeverAnswered("WORKFLOW_PURGED")
NeverTerminal == NeverAnswered("TERMINAL_STATE")
NeverMismatch == NeverAnswered("VERSION_MISMATCH")
NeverInTransition == NeverAnswered("IN_TRANSITION")
NeverUnavailable == NeverAnswered("PREDICATE_LOGIC_UNAVAILABLE")
NeverInvalid == NeverAnswered("INVALID_TRANSITION")
NeverDenied == NeverAnswered("RULE_DENIED")
NeverNotFailed == NeverAnswered("NOT_FAILED")
NeverExhausted == NeverAnswered("RECOVERIES_EXHAUSTED")
NeverTooEarly == NeverAnswered("RECOVERY_TOO_EARLY")
NeverExists == NeverAnswered("WORKFLOW_ALREADY_EXISTS")
NeverDueMissing == NeverAnswered("DEADLINE_NOT_SET")
NeverDueInvalid == NeverAnswered("DEADLINE_INVALID")
NeverLimit == NeverAnswered("WORKFLOW_LIMIT_REACHED")
NeverTxAborted == NeverAnswered("TRANSACTION_ABORTED")
NeverWritten(kind) == \A i \in DOMAIN events : events[i].kind # kind
NeverRecovered == NeverWritten("recover")
NeverRecoveredTogether == NeverWritten("enlist-recovery")
NeverUpdated == NeverWritten("update")
NeverFired == NeverWritten("deadline")
NeverFiringRefused == NeverWritten("deadline-refused")
NeverFiredOverCrash == crashes = 0 \/ NeverFired
NeverStarted == \A r \in Requests : ~(body[r].kind = "start" /\ answered[r] = "OK")
NeverBatched == \A r \in Requests : ~(body[r].kind = "batch" /\ answered[r] = "OK" /\ Cardinality(body[r].on) > 1)
NeverMovedTogether == \A r \in Requests : ~(body[r].kind = "enlist" /\ answered[r] = "OK" /\ Cardinality(body[r].on) > 1)
\* A retry of a request whose workflow is gone hears that it was done.
NeverAnsweredOfPurged ==
  \A c \in Calls : ~(call[c].phase = "sent" /\ answered[c[1]] = "OK" /\ \E w \in body[c[1]].on : wf[w].state = "PURGED")
\* The watcher had read a page when what follows was purged.
NeverCompactedBesidePage == \A v \in Watchers : ~(watch[v].told # 0 /\ watch[v].cursor > watch[v].from)
\* A sink was sent again what it had acknowledged.
NeverPublishedAgain == \A v \in Watchers : Len(watch[v].sent) = Cardinality(Range(watch[v].sent))
NeverStored == \A v \in Watchers : watch[v].stored = watch[v].from
NeverCompacted == \A v \in Watchers : watch[v].told = 0
\* The move was judged by a revision that is no longer the current one: allowed, and recorded.
NeverJudgedByOlderRules ==
  \A c \in Calls : call[c].code = "OK" => \A i \in DOMAIN events : events[i].request = c[1] =>
    <<events[i].from, events[i].to>> \notin Denied(engine.revision)
\* A retry that ran beside the first call got the first one's answer.
NeverAnsweredTwice == \A r \in Requests : \E a \in 1..Attempts : call[<<r, a>>].code # "OK"
NeverHeldOverCrash == ~(crashes > 0 /\ \E w \in Workflows : wf[w].hold # NoHold /\ up)
=============================================================================
