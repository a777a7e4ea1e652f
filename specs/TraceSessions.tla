---------------------------- MODULE TraceSessions ----------------------------
(***************************************************************************)
(* Is what happened around the cores a behaviour of Sessions?  A trace is  *)
(* what happened to one decision log: who claimed it, which sessions its   *)
(* coordinators opened with which participants, and, of all transactions   *)
(* that Sessions knows how to end, what was said in which session, what    *)
(* was written, and what was answered, in the order in which it happened.  *)
(* A line names an action of Sessions; the action must be enabled, and     *)
(* must lead to what the line says.                                        *)
(*                                                                         *)
(* A trace is accepted if some behaviour reaches its end.  The first line  *)
(* that none can reach is where it is rejected.  Process 1 and the first   *)
(* stream of each participant are what was before the trace.               *)
(*                                                                         *)
(* What is not one action for one line is below, under its own name.       *)
(***************************************************************************)
EXTENDS Sessions, RecordedTraces

\* RecordedTraces is written by scripts/verify/traces/sessions/check.ts.  It defines
\*   Lines: a sequence of records, each line that occurs in a trace;
\*   Traces: a sequence of traces, each a sequence of indexes into Lines.

VARIABLES
  trace,   \* which one
  line,    \* the next line
  stopped, \* the processes that have found out that they were replaced
  welcome  \* of each participant, the streams in which Welcome was sent

traceVars == <<trace, line, stopped, welcome>>

Ended == line > Len(Traces[trace])
Line == Lines[Traces[trace][line]]
Is(action) == ~Ended /\ Line.action = action

R == Line.run
P == Line.participant
T == Line.transaction
S == Line.session

Nothing == UNCHANGED vars

\* Takes the place of Symmetry, which TLC evaluates, though nobody asks for it: the permutations of so many never end.
NoSymmetry == {}

-----------------------------------------------------------------------------
(* Who takes part in what. *)

Parties == Lines[Traces[trace][1]].parties

\* Takes the place of AllVoted: not everybody takes part in everything.
AllAskedVoted(i, t) == t \in DOMAIN Parties /\ coord[i].tx[t].yes \cup coord[i].tx[t].ro = Parties[t]

-----------------------------------------------------------------------------
(* What the code does otherwise. *)

\* A process begins more than one transaction.
BeginAnother(i, t) ==
  /\ Up(i)
  /\ begun[t] = 0
  /\ i \in Range(begun)
  /\ begun' = [begun EXCEPT ![t] = i]
  /\ Tx(i, t, [NewTx EXCEPT !.phase = "preparing"])
  /\ UNCHANGED <<logVars, stream, partVars, net, crashes, copy>>

\* Two addresses of a participant may lead to one process: it hears on in the session before, until that is ended.
HelloBeside(p, i) ==
  LET s == Cardinality({r \in Streams : stream[p][r] # NoStream}) + 1 IN
  /\ Up(i)
  /\ \A r \in Streams : stream[p][r].there # "hello"
  /\ s \in Streams
  /\ stream' = [stream EXCEPT ![p][s] = [to |-> i, number |-> 0, there |-> "hello", here |-> "greeting"]]
  /\ UNCHANGED <<logVars, coord, begun, partVars, net, crashes, copy>>

\* Welcome was under way when the session ended for a newer one.
AdmitLate(p, s) ==
  LET i == stream[p][s].to IN
  /\ stream[p][s].here = "greeting"
  /\ stream[p][s].there = "ended"
  /\ s \in welcome[p]
  /\ GoesOn(seen[p], coord[i].claims)
  /\ stream' = [stream EXCEPT ![p][s].here = "welcomed"]
  /\ seen' = [seen EXCEPT ![p] = <<Epoch(i), i>>]
  /\ UNCHANGED <<logVars, coord, begun, part, owner, net, crashes, copy>>

\* A Prepare that was sent again before its vote was heard comes after that, and is answered as the first one was.
VotesAgain(p, t, s) ==
  LET i == stream[p][s].to IN
  /\ Hears(p, t, s)
  /\ p \in coord[i].tx[t].yes \cup coord[i].tx[t].ro
  /\ \E r \in Streams : <<Line.value, p, t, r>> \in net
  /\ Says(Line.value, p, t, s)
  /\ UNCHANGED <<logVars, coord, begun, stream, partVars, crashes, copy>>

\* What has ended is told again, and acknowledged again.
EndsAgain(p, t, state) == part[p][t] = state /\ Nothing

-----------------------------------------------------------------------------
(* Lines. *)

TraceInit ==
  /\ Init
  /\ trace \in 1..Len(Traces)
  /\ line = 1
  /\ stopped = {}
  /\ welcome = [p \in Participants |-> {}]

\* A vote is counted if there is still something to count.
HearVoteLine ==
  /\ Is("HearVote")
  /\ IsCurrent(R, P, S)
  /\ <<Line.value, P, T, S>> \in net
  /\ IF Phase(R, T) = "preparing" /\ ~AllVoted(R, T)
       THEN RecvVote(R, P, T, S) /\ P \in (IF Line.value = "yes" THEN coord'[R].tx[T].yes ELSE coord'[R].tx[T].ro)
       ELSE Nothing

\* The core has taken it.
RecvVoteLine ==
  /\ Is("RecvVote")
  /\ P \in (IF Line.value = "yes" THEN coord[R].tx[T].yes ELSE coord[R].tx[T].ro)
  /\ Nothing

ForceCommitLine == Is("ForceCommit") /\ ForceCommit(R, T) /\ log'[T] = [rec |-> "commit", voters |-> Line.voters]

TakeUpLine ==
  /\ Is("TakeUp")
  /\ IF Phase(R, T) = "none" THEN TakeUp(R, T) ELSE Phase(R, T) = "committing" /\ Nothing
  /\ coord'[R].tx[T].yes = Line.voters

AnswerLine ==
  /\ Is("AnswerInquiry")
  /\ IF Line.value = "committed"
       THEN log[T].rec = "commit" /\ Nothing
       ELSE \/ Presume(R, T) /\ coord'[R].tx[T].phase = "presumed"
            \/ Phase(R, T) = "presumed" /\ Nothing

\* What one that runs says.
CoordinatorLine ==
  /\ \/ Is("OpenSession") /\ OpenSession(R, P, S) /\ numbers'[P] = S
     \/ Is("Welcome") /\ Welcome(R, P, S) /\ stream'[P][S].there = "welcomed"
     \/ Is("Begin") /\ (Begin(R, T) \/ BeginAnother(R, T))
     \/ HearVoteLine \/ RecvVoteLine \/ ForceCommitLine \/ TakeUpLine \/ AnswerLine
     \/ Is("Decided") /\ Phase(R, T) = "committing" /\ Nothing
     \/ Is("Stop") /\ ~Owns(R) /\ Nothing
  /\ R \notin stopped

ParticipantLine ==
  \/ /\ Is("Admit")
     /\ stream[P][S].to = R /\ R \in Runs /\ Epoch(R) = Line.epoch
     /\ Admit(P, S) \/ AdmitLate(P, S)
     /\ stream'[P][S].here = "welcomed"
  \/ /\ Is("RecvPrepare")
     /\ RecvPrepare(P, T, S) \/ VotesAgain(P, T, S)
     /\ part'[P][T] = (IF Line.value = "yes" THEN "prepared" ELSE "readonly")
  \/ Is("RecvCommit") /\ (RecvCommit(P, T, S) \/ EndsAgain(P, T, "committed"))
  \/ Is("RecvAbort") /\ (RecvAbort(P, T, S) \/ EndsAgain(P, T, "aborted"))
  \/ Is("PartCrash") /\ PartCrash(P)
  \* What was promised is found again.
  \/ Is("PartRecover") /\ InDoubt(P, T) /\ Nothing

\* Who is told of is there.
Known == ~Ended /\ ("run" \in DOMAIN Line => R \in Runs) /\ ("session" \in DOMAIN Line => S \in Streams)

Reported ==
  /\ Known
  /\ \/ Is("World") /\ Nothing
     \/ Is("Claim") /\ Claim(R) /\ Len(claims') = Line.epoch
     \/ CoordinatorLine
     \/ ParticipantLine
  /\ line' = line + 1
  /\ stopped' = IF Is("Stop") THEN stopped \cup {R} ELSE stopped
  /\ welcome' = IF Is("Welcome") THEN [welcome EXCEPT ![P] = @ \cup {S}] ELSE welcome
  /\ UNCHANGED trace

\* What comes right before a line.
Unreported ==
  /\ \/ Is("OpenSession") /\ HelloBeside(P, R)
     \/ /\ Is("AnswerInquiry") /\ Line.value = "aborted"
        /\ \E s \in Streams : ReadForAnswer(R, P, T, s)
  /\ UNCHANGED traceVars

TraceNext == Reported \/ Unreported

TraceSpec == TraceInit /\ [][TraceNext]_<<vars, traceVars>>

-----------------------------------------------------------------------------
\* An invariant that never fails, and prints.
Reached == PrintT(<<"reached", trace, line>>)
=============================================================================
