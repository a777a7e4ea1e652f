------------------------ MODULE TraceWorkflowManager ------------------------
(***************************************************************************)
(* Is what the workflow manager did a behaviour of WorkflowManager, and as *)
(* a participant one of AtomicTransition?  A trace is what happened to one *)
(* store: what its callers asked for and heard, what the engine said, each *)
(* write, and what the coordinator decided, in the order in which it       *)
(* happened.  A write is a step of WorkflowManager, and what must have     *)
(* come before it, to load and to ask, is taken right before it: what a    *)
(* write is for is as it was when it was loaded, or it is not written.     *)
(*                                                                         *)
(* A trace is accepted if some behaviour reaches its end.  The first line  *)
(* that none can reach is where it is rejected.  The invariants of         *)
(* WorkflowManager are checked along the way.                              *)
(***************************************************************************)
EXTENDS WorkflowManager, RecordedTraces

\* RecordedTraces is written by scripts/verify/traces/manager/check.ts.  It defines
\*   Lines: a sequence of records, each line that occurs in a trace;
\*   Traces: a sequence of traces, each a sequence of indexes into Lines.

VARIABLES
  trace,  \* which one
  line,   \* the next line
  said,   \* what the engine said so far: the lines
  refusal \* of each request under way: the codes that it could have been refused with, at some moment since it came

traceVars == <<trace, line, said, refusal>>

Ended == line > Len(Traces[trace])
Line == Lines[Traces[trace][line]]
Is(action) == ~Ended /\ Line.action = action

R == Line.request
C == <<R, 1>>

\* Takes the place of Symmetry, which TLC evaluates, though nobody asks for it: the permutations of so many never end.
NoSymmetry == {}

-----------------------------------------------------------------------------
(* The engine.  Its rules are not known, only what it said: the spec's own rules allow all, and what was said is compared. *)

\* Takes the place of Denied: a deadline that was refused by rules was refused by this revision.
DeniedAsTold(revision) ==
  IF revision = 0 \/ ~Is("Fire") THEN {}
  ELSE {<<event.from, wf[event.workflow].due.to>> :
          event \in {event \in Range(Line.events) : event.kind = "deadline-refused" /\ event.revision = revision}}

Allowed(w, version, from, to, revision) ==
  \E ask \in said :
    /\ ask.verdict = "allowed"
    /\ ask.workflow = w /\ ask.version = version /\ ask.from = from /\ ask.to = to /\ ask.revision = revision

\* Each change that moves was allowed, from the version that it was made of, under the revision that it names.
Consented(events_) ==
  \A event \in Range(events_) :
    event.kind \notin {"create", "deadline-set", "deadline-refused"} =>
      Allowed(event.workflow, event.version - 1, event.from, event.to, event.revision)

-----------------------------------------------------------------------------
(* What a call could have been refused with, as things are now. *)

RefusalsOf(b, w) ==
  LET record == wf[w]
      precheck == PrecheckOf(b, record)
  IN
  IF b.kind \in Born
    THEN {IF record.state = "PURGED" THEN "WORKFLOW_PURGED" ELSE IF record.state # "NONE" THEN "WORKFLOW_ALREADY_EXISTS" ELSE "ok"}
    ELSE IF precheck # "ok" THEN {precheck}
    ELSE {DueCheck(b), IF b.kind = "deadline" THEN "ok" ELSE VerdictOf(b, w, record, 0)}

Refusals(r) ==
  LET b == body[r] IN
  IF b = NoBody THEN {}
  ELSE UNION {RefusalsOf(b, w) : w \in b.on}
       \cup (IF b.kind \in Born /\ Cardinality(Existing) >= MaxWorkflows THEN {"WORKFLOW_LIMIT_REACHED"} ELSE {})

\* A line of the engine concerns those who wait for a word on this workflow.
RefusalsSaid(r) ==
  IF ~Is("Ask") \/ body[r] = NoBody \/ Line.verdict = "allowed" \/ Line.workflow \notin body[r].on THEN {}
  ELSE {IF Line.verdict = "silent" THEN "PREDICATE_LOGIC_UNAVAILABLE" ELSE "RULE_DENIED"}

\* Who loses a race too often hears of it.
RefusalsByRace(r) ==
  IF body[r] # NoBody /\ \E w \in body[r].on : wf'[w] # wf[w] THEN {"VERSION_MISMATCH"} ELSE {}

UnderWay(r) == call[<<r, 1>>].phase \notin {"idle", "answered"}

\* Of what was and of what comes.
Watch ==
  refusal' = [r \in Requests |->
            IF call'[<<r, 1>>].phase \in {"idle", "answered"} THEN {}
            ELSE refusal[r] \cup Refusals(r)' \cup RefusalsSaid(r) \cup RefusalsByRace(r)]

-----------------------------------------------------------------------------
(* Lines. *)

TraceInit ==
  /\ Init
  /\ \A w \in Workflows : wf[w] = Absent
  /\ trace \in 1..Len(Traces)
  /\ line = 1
  /\ said = {}
  /\ refusal = [r \in Requests |-> {}]

Nothing == UNCHANGED vars

\* A caller comes, or comes again: what was refused may be asked for again, and what has an answer has it for ever.
SubmitLine ==
  /\ Is("Submit")
  /\ IF body[R] = NoBody
       THEN /\ Line.body \in Bodies
            /\ body' = [body EXCEPT ![R] = Line.body]
            /\ call' = [call EXCEPT ![C] = [NoCall EXCEPT !.phase = "sent"]]
            /\ UNCHANGED <<durable, tx, timer, around, watch>>
       ELSE /\ body[R] = Line.body
            /\ call' = IF call[C].phase = "answered" THEN [call EXCEPT ![C] = [NoCall EXCEPT !.phase = "sent"]] ELSE call
            /\ UNCHANGED <<durable, tx, body, timer, around, watch>>

Told(event, told) == \A field \in DOMAIN told : event[field] = told[field]

\* The write has these events, and leaves the workflows so.
Leaves ==
  /\ "events" \in DOMAIN Line =>
       /\ Len(events') = Len(events) + Len(Line.events)
       /\ \A i \in 1..Len(Line.events) : Told(events'[Len(events) + i], Line.events[i])
  /\ \A after \in Range(Line.after) :
       /\ wf'[after.workflow].state = after.state
       /\ wf'[after.workflow].version = after.version
       /\ wf'[after.workflow].hold.request = after.held

WriteLine ==
  /\ Is("Write")
  /\ body[R].kind # "enlist"
  /\ Apply(C)
  /\ answered'[R] = "OK"
  /\ Consented(Line.events)
  /\ Leaves

HoldLine ==
  /\ Is("Hold")
  /\ body[R].kind = "enlist"
  /\ Apply(C)
  /\ \A w \in body[R].on :
       /\ wf'[w].hold = [request |-> R, to |-> Line.to, revision |-> Line.revision, due |-> Line.due]
       /\ Allowed(w, wf[w].version, wf[w].state, Line.to, Line.revision)
  /\ Leaves

\* A decision is carried out once; who hears of it again has nothing to do.
CommitLine == Is("Commit") /\ TxCommit(R) /\ Leaves
ReleaseLine == Is("Release") /\ TxAbort(R) /\ Leaves

DecideLine ==
  /\ Is("Decide")
  /\ IF tx[R] = None THEN TxDecide(R, Line.value) ELSE tx[R] = Line.value /\ Nothing

FireLine ==
  /\ Is("Fire")
  /\ TimerActs(Line.workflow)
  /\ \A event \in Range(Line.events) : event.kind = "deadline" => Consented(<<event>>)
  /\ Leaves

\* specs/AtomicTransition.tla, ManagerPart: a yes is a hold or what came of it, a no has none, and what is told to be done is done.
VoteLine ==
  /\ Is("Vote")
  /\ Line.value = "yes" => Held(R) \/ answered[R] # None
  /\ Line.value = "no" => ~Held(R)
  /\ Nothing

AcknowledgeLine ==
  /\ Is("Acknowledge")
  /\ ~Held(R)
  /\ answered[R] = (IF Line.value = "commit" THEN "OK" ELSE "TRANSACTION_ABORTED")
  /\ tx[R] = Line.value
  /\ Nothing

PurgeLine == Is("Purge") /\ Purge(Line.workflow)

CrashLine == Is("Crash") /\ Crash

AskLine == Is("Ask") /\ Nothing

\* An outcome is what is kept of the request.  A refusal was due at some moment since the call came.
AnswerLine ==
  /\ Is("Answer")
  /\ IF Line.code \in {"OK", "TRANSACTION_ABORTED"}
       THEN /\ answered[R] = Line.code
            /\ call[C].phase \in {"sent", "waiting"}
       ELSE Line.code \in refusal[R]
  /\ Answer(C, Line.code)
  /\ UNCHANGED <<durable, tx, body, timer, around, watch>>

Reported ==
  /\ up
  /\ \/ SubmitLine \/ AskLine \/ WriteLine \/ HoldLine \/ CommitLine \/ ReleaseLine \/ DecideLine \/ FireLine
     \/ VoteLine \/ AcknowledgeLine \/ PurgeLine \/ CrashLine \/ AnswerLine
  /\ said' = IF Is("Ask") THEN said \cup {Line} ELSE said
  /\ line' = line + 1
  /\ UNCHANGED trace
  /\ Watch

-----------------------------------------------------------------------------
(* What comes before a line, and is not reported. *)

\* By which revision the line was judged.
RevisionOf ==
  IF Line.action = "Hold" THEN Line.revision
  ELSE LET moved == {i \in DOMAIN Line.events : Line.events[i].kind \notin {"create", "deadline-set"}} IN
       IF moved = {} THEN 0 ELSE Line.events[CHOOSE i \in moved : TRUE].revision

\* The engine may have been asked long before, by older rules.
EngineWas ==
  /\ engine # [up |-> TRUE, revision |-> RevisionOf]
  /\ engine' = [up |-> TRUE, revision |-> RevisionOf]
  /\ UNCHANGED <<durable, tx, body, volatile, up, crashes, watch>>

\* What failed has been left alone for long enough: the clock is not in the trace.
RipeNow(w) == ~wf[w].ripe /\ Ripen(w)

BeforeWrite ==
  /\ Is("Write") \/ Is("Hold")
  /\ \/ \E w \in body[R].on : body[R].kind # "create" /\ RipeNow(w)
     \/ Load(C) /\ call'[C].phase \in {"loaded", "judged"}
     \/ call[C].phase = "loaded" /\ EngineWas
     \/ call[C].phase = "loaded" /\ engine.revision = RevisionOf /\ AskEngine(C) /\ call'[C].phase = "judged"

BeforeFire ==
  /\ Is("Fire")
  /\ \/ RipeNow(Line.workflow)
     \/ Fire(Line.workflow)
     \/ timer[Line.workflow].phase = "loaded" /\ EngineWas
     \/ timer[Line.workflow].phase = "loaded" /\ engine.revision = RevisionOf /\ TimerAsks(Line.workflow)

Unreported ==
  /\ BeforeWrite \/ BeforeFire \/ Restart
  /\ UNCHANGED traceVars

TraceNext == Reported \/ Unreported

TraceSpec == TraceInit /\ [][TraceNext]_<<vars, traceVars>>

-----------------------------------------------------------------------------
\* An invariant that never fails, and prints.
Reached == PrintT(<<"reached", trace, line>>)
=============================================================================
