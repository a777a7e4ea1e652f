-------------------------- MODULE AtomicTransition --------------------------
(***************************************************************************)
(* A transition that commits together with the work of other services: the *)
(* workflow manager is a participant of the transaction.                   *)
(*                                                                         *)
(* The manager keeps no participant's state of its own.  What it has       *)
(* promised is the workflow's hold (in_transition), and how it ended is    *)
(* the answer kept for the request id.  ManagerPart says how the one is    *)
(* read from the other; with it, every step of this module is a step of    *)
(* TwoPhaseCommit and a step of WorkflowManager, or leaves them as they    *)
(* are.  That is what the two refinements check.                           *)
(***************************************************************************)
EXTENDS Naturals, Sequences, FiniteSets, TLC

CONSTANTS
  Manager,       \* the participant that is the workflow manager
  Others,        \* the other participants
  Transition,    \* the request that runs as a transaction
  Requests, Workflows, Watchers, Targets, Expected, StartStates, MaxWorkflows, MaxTogether, MaxTries, MaxRevision,
  MaxEpoch, MaxOtherCrash, MaxCrash, May,
  EngineFails    \* the predicate engine may be away

VARIABLES
  log, fence, coord, net, client,                          \* of TwoPhaseCommit
  otherPart, otherUp, otherCrashes,                        \* its participants, but for the manager
  wf, events, answered, body, call, engine, up, crashes, watch  \* of WorkflowManager

managerVars == <<wf, events, answered, body, call, engine, up, crashes, watch>>
commitVars == <<log, fence, coord, client, otherPart, otherUp, otherCrashes>>
vars == <<managerVars, commitVars, net>>

Participants == Others \cup {Manager}
TheCall == <<Transition, 1>>

IsHeld == \E w \in Workflows : wf[w].hold.request = Transition

\* The manager as a participant, read from its workflows, its answers and its call.
ManagerPart ==
  CASE answered[Transition] = "OK" -> "committed"
    [] answered[Transition] = "TRANSACTION_ABORTED" -> "aborted"
    [] IsHeld -> "prepared"
    [] call[TheCall].phase = "answered" -> "refused"
    [] OTHER -> "working"

part == [p \in Participants |-> IF p = Manager THEN ManagerPart ELSE otherPart[p]]
running == otherUp \cup (IF up THEN {Manager} ELSE {})

\* The transaction as the manager sees it: the decision that the coordinator named in the hold has sent.  What a stranger says of
\* it is refused.
tx ==
  [r \in Requests |->
     IF r # Transition THEN "none"
     ELSE IF answered[r] = "OK" \/ <<"commit", Manager>> \in net THEN "commit"
     ELSE IF answered[r] = "TRANSACTION_ABORTED" \/ <<"abort", Manager>> \in net THEN "abort"
     ELSE "none"]

Commit == INSTANCE TwoPhaseCommit WITH
  up <- running, crashes <- otherCrashes + crashes, MaxPartCrash <- MaxOtherCrash + MaxCrash,
  losses <- 0, MaxLoss <- 0, taken <- {}

\* Deadlines and purges are left to WorkflowManager; neither touches what is held.
UntouchedRecord ==
  [state |-> "NONE", version |-> 0, hold |-> [request |-> "none", to |-> "none", revision |-> 0, due |-> "none"],
   due |-> [to |-> "none", set |-> 0], ripe |-> TRUE]

Manage == INSTANCE WorkflowManager WITH
  Sinks <- {}, Attempts <- 1, Kinds <- {"move", "enlist"}, Slow <- {},
  Dues <- {}, Defaults <- {}, MaxRecoveries <- 99, Backoff <- FALSE, MayPurge <- FALSE,
  gone <- {}, timer <- [w \in Workflows |-> [phase |-> "idle", seen |-> UntouchedRecord, revision |-> 0]]

Init ==
  /\ otherPart = [p \in Others |-> "working"]
  /\ otherUp = Others
  /\ otherCrashes = 0
  /\ log = Commit!NoRecord
  /\ fence = 0
  /\ coord = [e \in 1..MaxEpoch |-> Commit!NewCoord]
  /\ net = {}
  /\ client = "waiting"
  /\ \E start \in [Workflows -> StartStates] :
       /\ events = Manage!Histories(Manage!Order(Workflows), start)
       /\ wf = [w \in Workflows |-> Manage!Begun(start[w])]
  /\ answered = [r \in Requests |-> "none"]
  /\ body = [r \in Requests |-> Manage!NoBody]
  /\ call = [c \in Manage!Calls |-> Manage!NoCall]
  /\ engine = [up |-> TRUE, revision |-> 0]
  /\ up = TRUE
  /\ crashes = 0
  /\ watch = [v \in Watchers |-> Manage!NewWatch(Len(events))]

-----------------------------------------------------------------------------
(* Steps of the transaction that the manager has no part in. *)

\* The transaction begins when the transition is asked for.
Coordinate ==
  /\ body[Transition] # Manage!NoBody
  /\ UNCHANGED <<managerVars, otherPart, otherUp, otherCrashes>>

CoordinatorStep(e) == Coordinate /\ (Commit!CoordStep(e) \/ Commit!Answer(e))

CoordinatorReplaced(e) == Coordinate /\ Commit!Replace(e)

\* Of the coordinator's steps, those that it need not take; and what a yes that is taken as a question is told.
CoordinatorWhim(e) ==
  /\ Coordinate
  /\ \/ Commit!TimeoutAbort(e) \/ Commit!ClientAbort(e) \/ Commit!CoordCrash(e) \/ Commit!TakeOver(e)
     \/ \E p \in Participants : Commit!AnswerInquiry(e, p) \/ Commit!StrangerAnswers(p)

OtherMoves(p) ==
  /\ UNCHANGED <<managerVars, otherUp, otherCrashes>>
  /\ \E s \in Commit!PartStates : otherPart' = [otherPart EXCEPT ![p] = s]

OtherStep(p) == OtherMoves(p) /\ Commit!PartStep(p)

OtherRecover(p) ==
  /\ UNCHANGED <<managerVars, otherPart, otherCrashes>>
  /\ otherUp' = otherUp \cup {p}
  /\ Commit!PartRecover(p)

OtherWhim(p) ==
  \/ OtherMoves(p) /\ Commit!UnilateralAbort(p)
  \/ /\ UNCHANGED managerVars
     /\ otherCrashes < MaxOtherCrash
     /\ otherCrashes' = otherCrashes + 1
     /\ otherUp' = otherUp \ {p}
     /\ \E s \in {otherPart[p], "working"} : otherPart' = [otherPart EXCEPT ![p] = s]
     /\ Commit!PartCrash(p)

-----------------------------------------------------------------------------
(* Steps of the manager that the transaction has no part in. *)

OtherCall(r) ==
  /\ UNCHANGED <<commitVars, net>>
  /\ r # Transition
  /\ Manage!CallStep(<<r, 1>>) \/ Manage!AskEngine(<<r, 1>>)

ManagerAlone ==
  /\ UNCHANGED <<commitVars, net>>
  /\ \/ \E r \in Requests :
          /\ Manage!Submit(r)
          /\ body'[r].kind = (IF r = Transition THEN "enlist" ELSE "move")
     \/ Manage!Reply(TheCall)
     \/ EngineFails /\ (Manage!EngineDown \/ Manage!EngineUp)
     \/ Manage!ChangeRules
     \/ \E v \in Watchers : Manage!WatchStep(v)

-----------------------------------------------------------------------------
(* Steps of both.  Each says what the manager does and what it sends; that this is what a participant    *)
(* may do is for RefinesTwoPhaseCommit to find out.                                                       *)

Sends(types) ==
  /\ net' = net \cup {<<type, Manager>> : type \in types}
  /\ UNCHANGED commitVars

\* The Prepare sets the call going, with all the checks of any other transition.  To hold the workflow is
\* to vote yes; any error is the reason of a no.
ManagerPrepare ==
  /\ <<"prepare", Manager>> \in net \/ IsHeld \/ answered[Transition] # "none"
  /\ \E vote \in {{}, {"yes"}, {"no"}} :
       /\ Sends(vote)
       /\ Manage!Load(TheCall) \/ Manage!AskEngine(TheCall) \/ Manage!Apply(TheCall)
       /\ vote = IF ManagerPart' = ManagerPart THEN {}
                 ELSE IF ManagerPart' = "prepared" THEN {"yes"} ELSE {"no"}

\* State, version, event, request id and the participant's outcome in one write.
ManagerCommit ==
  /\ Sends({"ackCommit"})
  /\ Manage!TxCommit(Transition)

ManagerAbort ==
  /\ Sends({"ackAbort"})
  /\ Manage!TxAbort(Transition)

\* A Prepare that comes after the abort.  Votes and acknowledgements that are sent again are in the net already, for none is lost here.
ManagerRefuses ==
  /\ up
  /\ UNCHANGED managerVars
  /\ <<"prepare", Manager>> \in net
  /\ ManagerPart = "aborted"
  /\ Sends({"no"})

\* In doubt it asks: in the Hello of each new session, and on a timer.
ManagerInquires ==
  /\ up
  /\ UNCHANGED managerVars
  /\ ManagerPart = "prepared"
  /\ Sends({"inquire"})

ManagerCrash ==
  /\ Sends({})
  /\ Manage!Crash

\* The new session supersedes the old one.
ManagerRestart ==
  /\ net' = net \ {<<"prepare", Manager>>, <<"readonly", Manager>>}
  /\ UNCHANGED commitVars
  /\ Manage!Restart

-----------------------------------------------------------------------------
Next ==
  \/ \E e \in 1..MaxEpoch : CoordinatorStep(e) \/ CoordinatorReplaced(e) \/ CoordinatorWhim(e)
  \/ \E p \in Others : OtherStep(p) \/ OtherRecover(p) \/ OtherWhim(p)
  \/ ManagerAlone
  \/ \E r \in Requests : OtherCall(r)
  \/ ManagerPrepare \/ ManagerCommit \/ ManagerAbort \/ ManagerRefuses \/ ManagerInquires \/ ManagerCrash \/ ManagerRestart

Spec == Init /\ [][Next]_vars

\* As in TwoPhaseCommit: a coordinator that is gone is replaced; whims, crashes, losses and other take-overs are never owed, nor
\* is it that a yes is taken as a question.  Each action of the manager is owed by itself, but for the question in doubt.
FairnessUnasked ==
  /\ \A e \in 1..MaxEpoch : WF_vars(CoordinatorStep(e)) /\ WF_vars(CoordinatorReplaced(e))
  /\ \A p \in Others : WF_vars(OtherStep(p)) /\ WF_vars(OtherRecover(p))
  /\ \A r \in Requests : WF_vars(OtherCall(r))
  /\ WF_vars(ManagerPrepare) /\ WF_vars(ManagerCommit) /\ WF_vars(ManagerAbort)
  /\ WF_vars(ManagerRefuses) /\ WF_vars(ManagerRestart)

LiveSpec == Spec /\ FairnessUnasked /\ WF_vars(ManagerInquires)

\* The manager need not ask.
UnaskedSpec == Spec /\ FairnessUnasked

-----------------------------------------------------------------------------
(* Invariants. *)

OwnEvents == {i \in DOMAIN events : events[i].request = Transition}
Prepared == part[Manager] = "prepared"

TypeOK ==
  /\ otherPart \in [Others -> Commit!PartStates]
  /\ otherUp \subseteq Others
  /\ otherCrashes \in 0..MaxOtherCrash
  /\ EngineFails \/ engine.up

\* The workflow is in transition exactly while the manager is in doubt, and then nobody else moves it.
InTransitionIffPrepared ==
  /\ IsHeld <=> Prepared
  /\ <<"yes", Manager>> \in net /\ answered[Transition] = "none" => IsHeld

\* A transaction that committed anywhere has moved each of its workflows by one version and one event, or is about to.
CommittedMovesOnce ==
  (client = "committed" \/ log.rec = "commit" \/ \E p \in Participants : part[p] = "committed") =>
    IF answered[Transition] = "OK" THEN Cardinality(OwnEvents) = Cardinality(body[Transition].on) ELSE IsHeld /\ OwnEvents = {}

\* One that aborted anywhere has not moved it.
AbortedMovesNothing ==
  (client = "aborted" \/ \E p \in Participants : part[p] = "aborted") => OwnEvents = {}

CommitAgreement == Commit!Agreement
WorkflowConsistency ==
  /\ Manage!StateConsistency /\ Manage!EventPerChange /\ Manage!ConcurrentSafety
  /\ Manage!TransitionValidity /\ Manage!AtMostOncePerRequestId /\ Manage!AllOrNothing

-----------------------------------------------------------------------------
(* Refinements, and liveness: of LiveSpec, and the last of UnaskedSpec. *)

RefinesTwoPhaseCommit == Commit!Spec
RefinesWorkflowManager == Manage!Spec

\* Nothing stays in transition.
HoldResolves == IsHeld ~> ~IsHeld

\* Whoever asked for the transition hears how it ended, and so do those whose moves came beside it.
ClientsAnswered ==
  /\ body[Transition] # Manage!NoBody ~> client # "waiting"
  /\ \A r \in Requests \ {Transition} : body[r] # Manage!NoBody ~> call[<<r, 1>>].phase = "answered"

\* A commit comes to the manager by itself, also from the coordinator that has taken over.
CommitComesUnasked == log.rec = "commit" ~> answered[Transition] = "OK"

-----------------------------------------------------------------------------
(* Witnesses: each is an invariant that must be violated, for the state it excludes can be reached. *)

NeverMovesTogether ==
  ~(OwnEvents # {} /\ client = "committed" /\ \A p \in Participants : part[p] = "committed")
NeverMovesSeveral == Cardinality(OwnEvents) < 2
NeverRefusedByRule == ~(call[TheCall].code = "RULE_DENIED" /\ \E p \in Others : part[p] = "aborted")
NeverOtherMoveWaits == \A c \in Manage!Calls : call[c].code # "IN_TRANSITION"
NeverInquires == <<"inquire", Manager>> \notin net
NeverUnavailable == call[TheCall].code # "PREDICATE_LOGIC_UNAVAILABLE"
NeverRefusedAfterAbort ==
  ~(<<"no", Manager>> \in net /\ answered[Transition] = "TRANSACTION_ABORTED" /\ call[TheCall].phase # "answered")
NeverOtherRefusesUnasked == ~(\E p \in Others : otherPart[p] = "refused" /\ net = {})
NeverOtherForgetsRefusal == ~(\E p \in otherUp : otherPart[p] = "working" /\ <<"no", p>> \in net)
NeverReplaced == fence < 2
NeverRestarted == ~(crashes > 0 /\ up)
NeverInDoubtOverTakeOver == ~(crashes > 0 /\ fence > 1 /\ OwnEvents # {})
=============================================================================
