------------------------ MODULE TraceAtomicTransition ------------------------
(***************************************************************************)
(* Is what a coordinator, its participants and the workflow manager among  *)
(* them did a behaviour of AtomicTransition?  A trace is what happened to  *)
(* one transaction that moves workflows: the events of all cores, as for   *)
(* TwoPhaseCommit, and in between what the manager's store was told, in    *)
(* the order in which it became durable.                                   *)
(*                                                                         *)
(* What the manager has promised and what it has done is what its store    *)
(* was told, and nothing else: of its participant's core is asked that     *)
(* what it says is ManagerPart.  All others are walked by the steps of     *)
(* TraceTwoPhaseCommit.                                                    *)
(*                                                                         *)
(* Which moves they are, and whether rules allow them, is asked by         *)
(* TraceWorkflowManager: here each is from ACTIVE to COMPLETED.            *)
(***************************************************************************)
EXTENDS AtomicTransition, RecordedTraces

\* RecordedTraces is written by scripts/verify/traces/transition/check.ts, as for TraceTwoPhaseCommit.

VARIABLES
  trace,  \* which one
  line    \* the next event

traceVars == <<trace, line>>

Walk == INSTANCE TraceTwoPhaseCommit WITH
  up <- running, crashes <- otherCrashes + crashes, MaxPartCrash <- MaxOtherCrash + MaxCrash,
  losses <- 0, MaxLoss <- 0, taken <- {}

Event == Events[Traces[trace][line]]
Ended == line > Len(Traces[trace])
Is(action) == ~Ended /\ Event.action = action

IsOf(participants) == ~Ended /\ "participant" \in DOMAIN Event /\ Event.participant \in participants
P == Event.participant

Nothing == UNCHANGED vars

TraceInit == Init /\ trace \in 1..Len(Traces) /\ line = 1

-----------------------------------------------------------------------------
(* All but the manager. *)

\* The move is asked for.
EnlistLine ==
  /\ Is("Enlist")
  /\ UNCHANGED <<commitVars, net>>
  /\ Manage!Submit(Transition)
  /\ body'[Transition].kind = "enlist" /\ body'[Transition].on = Event.on

CoordinatorLine == Coordinate /\ Walk!CoordinatorEvent

OtherLine ==
  /\ IsOf(Others)
  /\ UNCHANGED managerVars
  /\ IF Is("PartRecover")
       THEN otherPart' = otherPart
       ELSE \E s \in Commit!PartStates : otherPart' = [otherPart EXCEPT ![P] = s]
  /\ otherUp' = (IF Is("PartCrash") THEN otherUp \ {P} ELSE IF Is("PartRecover") THEN otherUp \cup {P} ELSE otherUp)
  /\ otherCrashes' = (IF Is("PartCrash") THEN otherCrashes + 1 ELSE otherCrashes)
  /\ Walk!ParticipantEvent

-----------------------------------------------------------------------------
(* The manager. *)

Said(type) == <<type, Manager>> \in net

\* To hold is to promise: all workflows at once.
HoldLine == Is("Hold") /\ ManagerPrepare /\ ManagerPart' = "prepared" /\ Cardinality(body[Transition].on) = Event.count

\* A yes is said of a hold, or of what came of it; a no of a refusal, when there is no time left, or
\* after the abort, and may be said again.
VoteLine ==
  /\ Is("RecvPrepare") \/ Is("UnilateralAbort")
  /\ IF Event.state = "prepared"
       THEN ManagerPart \in {"prepared", "committed", "aborted"} /\ Said("yes") /\ Nothing
       ELSE \/ ManagerPrepare /\ ManagerPart' = "refused"
            \/ ManagerRefuses
            \/ ManagerPart \in {"refused", "aborted"} /\ Said("no") /\ Nothing

CommittedLine == Is("Committed") /\ ManagerCommit /\ Len(events') = Len(events) + Event.count

\* What has ended ends once.
ReleasedLine == Is("Released") /\ IF ManagerPart = "aborted" THEN Nothing ELSE ManagerAbort

AcknowledgeLine ==
  \/ Is("RecvCommit") /\ ManagerPart = "committed" /\ Said("ackCommit") /\ Nothing
  \/ (Is("RecvAbort") \/ Is("RecvAbortUnknown")) /\ ManagerPart = "aborted" /\ Said("ackAbort") /\ Nothing

\* In doubt, or while the promise is just being written.
InquireLine ==
  /\ Is("Inquire")
  /\ ManagerInquires \/ (up /\ ManagerPart = "working" /\ Said("prepare") /\ UNCHANGED managerVars /\ Sends({"inquire"}))

ManagerLine ==
  /\ IsOf({Manager})
  /\ \/ HoldLine \/ VoteLine \/ CommittedLine \/ ReleasedLine \/ AcknowledgeLine \/ InquireLine
     \/ Is("PartCrash") /\ ManagerCrash
     \* Its promises are found again, and no others.
     \/ Is("PartRecover") /\ ManagerRestart /\ (Event.state = "prepared" <=> ManagerPart = "prepared")

Reported ==
  /\ EnlistLine \/ CoordinatorLine \/ OtherLine \/ ManagerLine
  /\ line' = line + 1
  /\ UNCHANGED trace

-----------------------------------------------------------------------------
(* What comes before a line, and is not reported. *)

\* The checks of a call; why it is refused is no matter here, so that the engine is away will do.
BeforeVote ==
  /\ IsOf({Manager})
  /\ \/ Is("Hold") /\ ManagerPrepare /\ ManagerPart' = ManagerPart
     \/ /\ Is("RecvPrepare") \/ Is("UnilateralAbort")
        /\ Event.state # "prepared"
        /\ \/ ManagerPrepare /\ ManagerPart' = ManagerPart /\ call'[TheCall].phase = "loaded"
           \/ UNCHANGED <<commitVars, net>> /\ Manage!EngineDown

\* A write may be durable when a crash, or the next coordinator, comes between it and its report.
UnreportedWrite ==
  /\ UNCHANGED managerVars
  /\ \/ /\ Is("CoordCrash") \/ Is("TakeOver")
        /\ UNCHANGED <<otherPart, otherUp, otherCrashes>>
     \/ /\ Is("PartCrash") /\ IsOf(Others)
        /\ UNCHANGED <<otherUp, otherCrashes>>
        /\ \E s \in Commit!PartStates : otherPart' = [otherPart EXCEPT ![P] = s]
  /\ Walk!Unreported

Unreported ==
  /\ BeforeVote \/ UnreportedWrite
  /\ UNCHANGED traceVars

TraceNext == Reported \/ Unreported

TraceSpec == TraceInit /\ [][TraceNext]_<<vars, traceVars>>

-----------------------------------------------------------------------------
\* An invariant that never fails, and prints.
Reached == PrintT(<<"reached", trace, line>>)
=============================================================================
