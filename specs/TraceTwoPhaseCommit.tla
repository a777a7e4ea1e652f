------------------------ MODULE TraceTwoPhaseCommit ------------------------
(***************************************************************************)
(* Is what the code did a behaviour of TwoPhaseCommit?  Each trace is what *)
(* happened to one transaction, in the order in which it happened, event   *)
(* by event.  An event names an action of TwoPhaseCommit; the action must  *)
(* be enabled, and must lead to the state that the code reports.           *)
(*                                                                         *)
(* A trace is accepted if some behaviour reaches its end.  The first event *)
(* that none can reach is where it is rejected.                            *)
(*                                                                         *)
(* What is not one action for one event is below, under its own name.      *)
(* The invariants of TwoPhaseCommit are checked along the way.             *)
(***************************************************************************)
EXTENDS TwoPhaseCommit, RecordedTraces, Sequences

\* RecordedTraces is written by scripts/verify/traces/check.ts.  It defines
\*   Events: a sequence of records, each event that occurs in a trace;
\*   Traces: a sequence of traces, each a sequence of indexes into Events.

VARIABLES
  trace,  \* which one
  line    \* the next event

Ended == line > Len(Traces[trace])
Event == Events[Traces[trace][line]]
Is(action) == ~Ended /\ Event.action = action

E == Event.epoch
P == Event.participant

TraceInit == Init /\ trace \in 1..Len(Traces) /\ line = 1

-----------------------------------------------------------------------------
(* What the code does otherwise. *)

Nothing == UNCHANGED vars

\* An abort completes as well.
NothingToForget(e) ==
  /\ coord[e].phase = "aborting"
  /\ log.rec # "delegated"
  /\ Nothing

\* Once it is completed, a record is kept as history: it still answers "committed" when the spec, which has
\* none, would presume abort.  Or the completion, which is not forced, did not reach the log.
Kept(e) ==
  /\ \/ coord[e].phase = "committing" /\ coord[e].yes \subseteq coord[e].acks
     \/ coord[e].phase = "aborting" /\ log.rec = "delegated"
  /\ Nothing

\* History is not found by who takes over: all who had to hear of it have acknowledged it.
FoundNothing ==
  /\ log.rec = "commit" => \A p \in log.voters : <<"ackCommit", p>> \in net
  /\ log.rec = "delegated" => \E p \in Participants, ack \in {"ackCommit", "ackAbort"} : <<ack, p>> \in net

\* The acknowledgement of an abort is counted, and means nothing.
RecvAbortAck(e, p) ==
  /\ coord[e].phase = "aborting"
  /\ <<"ackAbort", p>> \in net
  /\ Nothing

\* A Hello may ask about a promise that is just being forced.
InquireEarly(p) ==
  /\ p \in up
  /\ part[p] = "working"
  /\ <<"prepare", p>> \in net
  /\ Send("inquire", p)
  /\ UNCHANGED <<log, fence, coord, part, up, client, crashes, losses, taken>>

\* An abort that comes again is acknowledged again.
RecvAbortAgain(p) ==
  /\ p \in up
  /\ part[p] = "aborted"
  /\ <<"abort", p>> \in net
  /\ Send("ackAbort", p)
  /\ UNCHANGED <<log, fence, coord, part, up, client, crashes, losses, taken>>

\* Whoever is told again, by another coordinator, is told the same.
AckClientAgain(outcome) ==
  /\ client = outcome
  /\ Nothing

-----------------------------------------------------------------------------
(* Events. *)

\* Votes count until the decision, acknowledgements after it.
CoordinatorIs(e) ==
  "phase" \in DOMAIN Event =>
    LET now == coord'[e] IN
    /\ \/ now.phase = Event.phase
       \/ Event.phase = "completed" /\ now.phase \in {"committing", "aborting"}
    /\ now.phase \in {"preparing", "committing"} => now.yes = Event.yes
    /\ now.phase = "preparing" => now.ro = Event.ro
    /\ now.phase = "committing" /\ Event.action # "TakeOver" => now.acks = Event.acks
    /\ now.phase \in {"preparing", "committing"} => now.lost = Event.lost

\* The outcome that the event tells is the coordinator's.
Says(e) == Event.value = (IF coord[e].phase = "committing" THEN "committed" ELSE "aborted")

CoordinatorEvent ==
  /\ \/ Is("Begin") /\ Begin(E)
     \/ Is("ForceDelegate") /\ ForceDelegate(E)
     \/ Is("SendPrepare") /\ SendPrepare(E, P)
     \/ Is("RecvVote") /\ <<Event.value, P>> \in net /\ RecvVote(E, P)
     \/ Is("ForceCommit") /\ ForceCommit(E)
     \/ Is("CommitReadOnly") /\ CommitReadOnly(E)
     \/ Is("TimeoutAbort") /\ TimeoutAbort(E)
     \/ Is("ClientAbort") /\ ClientAbort(E)
     \/ Is("Note") /\ (Note(E) \/ Nothing)
     \/ Is("SendDecision") /\ Says(E) /\ SendDecision(E, P)
     \/ Is("RecvAck") /\ Event.value = "committed" /\ RecvAck(E, P)
     \/ Is("RecvAck") /\ Event.value = "aborted" /\ (RecvAck(E, P) \/ RecvAbortAck(E, P))
     \/ Is("RecvLost") /\ RecvLost(E, P)
     \/ Is("AckClient") /\ Says(E) /\ (AckClient(E) \/ AckClientAgain(Event.value))
     \/ Is("Forget") /\ (Forget(E) \/ Kept(E) \/ NothingToForget(E))
     \/ Is("AnswerInquiry") /\ Says(E) /\ AnswerInquiry(E, P)
     \/ Is("CoordCrash") /\ CoordCrash(E)
     \/ Is("TakeOver") /\ TakeOver(E) /\ ("value" \in DOMAIN Event => FoundNothing)
  /\ CoordinatorIs(E)

ParticipantEvent ==
  \/ /\ \/ Is("RecvPrepare") /\ RecvPrepare(P)
        \/ Is("RecvPrepareOnePhase") /\ RecvPrepareOnePhase(P)
        \/ Is("UnilateralAbort") /\ UnilateralAbort(P)
        \/ Is("RecvCommit") /\ RecvCommit(P)
        \/ Is("RecvCommitLost") /\ RecvCommitLost(P)
        \/ Is("RecvAbort") /\ (RecvAbort(P) \/ RecvAbortAgain(P))
        \/ Is("RecvAbortUnknown") /\ RecvAbortUnknown(P)
     /\ part'[P] = Event.state
  \/ Is("Inquire") /\ (Inquire(P) \/ InquireEarly(P))
  \* What is not durable is gone, and what is prepared is found again.
  \/ Is("PartCrash") /\ PartCrash(P) /\ part'[P] = (IF part[P] \in Durable THEN part[P] ELSE "working")
  \/ Is("PartRecover") /\ PartRecover(P) /\ (Event.state = "prepared" <=> part[P] = "prepared")

Reported ==
  /\ CoordinatorEvent \/ ParticipantEvent
  /\ line' = line + 1
  /\ UNCHANGED trace

\* A write may be durable when a crash, or the next coordinator, comes between it and its report.
Unreported ==
  /\ \/ Is("CoordCrash") /\ (ForceCommit(E) \/ ForceDelegate(E))
     \/ Is("TakeOver") /\ E > 1 /\ (ForceCommit(E - 1) \/ ForceDelegate(E - 1))
     \/ /\ Is("CoordCrash") \/ Is("TakeOver")
        /\ \E p \in Participants : RecvLost(IF Is("CoordCrash") THEN E ELSE E - 1, p)
     \/ /\ Is("PartCrash")
        /\ RecvPrepare(P) \/ RecvPrepareOnePhase(P) \/ RecvCommit(P) \/ RecvCommitLost(P) \/ RecvAbort(P) \/ RecvAbortUnknown(P)
        /\ part'[P] # part[P] /\ part'[P] \in Durable
  /\ UNCHANGED <<trace, line>>

\* What a resource loses, nobody reports before its participant is told to commit; nor that it has found it again.
Unnoticed ==
  /\ \/ Is("RecvCommitLost") /\ LosePromise(P) /\ part'[P] = "prepared"
     \/ Is("RecvCommit") /\ RestorePromise(P)
     \/ Is("RecvPrepareOnePhase") /\ Event.state = "committed" /\ RestorePromise(P)
  /\ UNCHANGED <<trace, line>>

\* A record with a lost promise also says who has acknowledged. The spec's next coordinator hears it itself.
Before == Events[Traces[trace][line - 1]]
ReadFromRecord ==
  /\ line > 1
  /\ Before.action = "TakeOver"
  /\ "acks" \in DOMAIN Before
  /\ \E p \in Before.acks : p \notin coord[Before.epoch].acks /\ RecvAck(Before.epoch, p)
  /\ UNCHANGED <<trace, line>>

TraceNext == Reported \/ Unreported \/ Unnoticed \/ ReadFromRecord

TraceSpec == TraceInit /\ [][TraceNext]_<<vars, trace, line>>

-----------------------------------------------------------------------------
\* An invariant that never fails, and prints.
Reached == PrintT(<<"reached", trace, line>>)
=============================================================================
