--------------------------- MODULE TwoPhaseCommit ---------------------------
(***************************************************************************)
(* One distributed transaction under two-phase commit with presumed abort  *)
(* (C. Mohan, B. Lindsay, R. Obermarck, "Transaction Management in the R*  *)
(* Distributed Database Management System", ACM TODS 11(4), 1986).         *)
(*                                                                         *)
(* The coordinator is a series of incarnations, one per coordinator epoch, *)
(* over one durable decision log with a fence.  A restart and a take-over  *)
(* are the same step; the incarnation that was replaced may live on as a   *)
(* zombie.  Participants have a durable part and a volatile part.          *)
(*                                                                         *)
(* The network is a set of messages.  A message stays in it when it is     *)
(* received, so it may be received again, late, and in any order.  A lost  *)
(* message is one that nobody receives; Lose takes messages away only to   *)
(* make the liveness properties need the resending.                        *)
(*                                                                         *)
(* Each action is one step of the code: what it writes is durable before   *)
(* what it sends is sent.  A crash between the two is a lost message.      *)
(***************************************************************************)
EXTENDS Naturals, FiniteSets, TLC

CONSTANTS
  Participants,  \* The enlisted participants.  Exactly one: one-phase commit.
  MaxEpoch,      \* Coordinator incarnations.  The last one does not crash.
  MaxPartCrash,  \* Participant crashes, over all participants.
  MaxLoss,       \* Messages that Lose may take away.
  May            \* What the environment may do, a subset of Whims.

\* losePromise: a participant loses what it has promised, as when its database is restored from a backup, or its log is emptied.
\* stranger: a coordinator with another log answers what the participant asks its own.
\* leave: the client gives up its call, and never asks again.
Whims == {"no", "readonly", "timeout", "clientAbort", "losePromise", "stranger", "leave"}

ASSUME MaxEpoch \in Nat \ {0} /\ MaxPartCrash \in Nat /\ MaxLoss \in Nat /\ May \subseteq Whims

VARIABLES
  log,      \* durable: the record of the transaction
  fence,    \* durable: the newest coordinator epoch; the log accepts writes from no other
  coord,    \* volatile: the coordinator of each epoch
  part,     \* each participant; Durable says which values survive a crash
  up,       \* the participants that are running
  net,      \* messages sent
  client,   \* what the client was told
  crashes,  \* participant crashes so far
  losses,   \* messages lost so far
  taken     \* the participants whose promise is gone, as long as it is not restored

vars == <<log, fence, coord, part, up, net, client, crashes, losses, taken>>

Epochs == 1..MaxEpoch

\* Participants may be exchanged for each other.  For safety models only.
Symmetry == Permutations(Participants)

\* init .. completed are the phases of the design.  An epoch that has not begun is off, a crashed or
\* deposed coordinator is dead, and one that took over and found no record knows nothing.
Phases == {"off", "init", "preparing", "committing", "aborting", "completed", "unknown", "dead"}

\* lost: it was told to commit, and does not hold its promise any more.
Durable == {"prepared", "committed", "aborted", "lost"}
PartStates == Durable \cup {"working", "refused", "readonly"}

MessageTypes ==
  {"prepare", "prepareOnePhase", "yes", "no", "readonly", "commit", "abort",
   "ackCommit", "ackAbort", "ackLost", "inquire", "strangerAbort"}

\* voters: who has to hear what the record says.  lost: whose promise is known to be lost.
NoRecord == [rec |-> "none", epoch |-> 0, voters |-> {}, lost |-> {}]

\* ro: who has left, by a read-only vote or by the no that has ended the transaction.
NewCoord == [phase |-> "off", yes |-> {}, ro |-> {}, acks |-> {}, lost |-> {}]

OnePhase == Cardinality(Participants) = 1

Send(type, p) == net' = net \cup {<<type, p>>}

Init ==
  /\ log = NoRecord
  /\ fence = 0
  /\ coord = [e \in Epochs |-> NewCoord]
  /\ part = [p \in Participants |-> "working"]
  /\ up = Participants
  /\ net = {}
  /\ client = "waiting"
  /\ crashes = 0
  /\ losses = 0
  /\ taken = {}

-----------------------------------------------------------------------------
(* The coordinator. *)

Begin(e) ==
  /\ e = 1
  /\ coord[e].phase = "off"
  /\ fence' = e
  /\ coord' = [coord EXCEPT ![e].phase = "init"]
  /\ UNCHANGED <<log, part, up, net, client, crashes, losses, taken>>

\* One-phase commit hands the decision to the participant.  From then on no coordinator may presume
\* abort, so the record that says so is forced before the Prepare is sent.
ForceDelegate(e) ==
  /\ OnePhase
  /\ coord[e].phase = "init"
  /\ IF fence = e
       THEN /\ log' = [rec |-> "delegated", epoch |-> e, voters |-> {}, lost |-> {}]
            /\ coord' = [coord EXCEPT ![e].phase = "preparing"]
       ELSE /\ coord' = [coord EXCEPT ![e] = [NewCoord EXCEPT !.phase = "dead"]]
            /\ UNCHANGED log
  /\ UNCHANGED <<fence, part, up, net, client, crashes, losses, taken>>

SendPrepare(e, p) ==
  /\ coord[e].phase \in (IF OnePhase THEN {"preparing"} ELSE {"init", "preparing"})
  /\ p \notin coord[e].yes \cup coord[e].ro
  /\ Send(IF OnePhase THEN "prepareOnePhase" ELSE "prepare", p)
  /\ coord' = [coord EXCEPT ![e].phase = "preparing"]
  /\ UNCHANGED <<log, fence, part, up, client, crashes, losses, taken>>

\* True when all have voted and none has said no.  From then on nothing comes between them and the decision.
AllVoted(e) == coord[e].yes \cup coord[e].ro = Participants

\* One no decides.  A durable yes counts whatever Prepare it answers.
RecvVote(e, p) ==
  /\ coord[e].phase = "preparing"
  /\ ~AllVoted(e)
  /\ \/ /\ <<"yes", p>> \in net
        /\ coord' = [coord EXCEPT ![e].yes = @ \cup {p}]
     \/ /\ <<"readonly", p>> \in net
        /\ coord' = [coord EXCEPT ![e].ro = @ \cup {p}]
     \/ /\ <<"no", p>> \in net
        /\ coord' = [coord EXCEPT ![e] =
                       [@ EXCEPT !.phase = "aborting", !.yes = @ \ {p}, !.ro = @ \cup {p}]]
  /\ UNCHANGED <<log, fence, part, up, net, client, crashes, losses, taken>>

\* The commit point: a compare-and-set on the fence, in the log.  A coordinator that was replaced
\* loses it and stops.
ForceCommit(e) ==
  /\ coord[e].phase = "preparing"
  /\ coord[e].yes # {}
  /\ AllVoted(e)
  /\ IF fence = e
       THEN /\ log' = [rec |-> "commit", epoch |-> e, voters |-> coord[e].yes, lost |-> {}]
            /\ coord' = [coord EXCEPT ![e].phase = "committing"]
       ELSE /\ coord' = [coord EXCEPT ![e] = [NewCoord EXCEPT !.phase = "dead"]]
            /\ UNCHANGED log
  /\ UNCHANGED <<fence, part, up, net, client, crashes, losses, taken>>

\* Nobody is bound by the outcome, so there is nothing to force (Mohan et al., on read-only transactions).
CommitReadOnly(e) ==
  /\ coord[e].phase \in {"init", "preparing"}
  /\ coord[e].ro = Participants
  /\ coord' = [coord EXCEPT ![e].phase = "committing"]
  /\ UNCHANGED <<log, fence, part, up, net, client, crashes, losses, taken>>

\* A coordinator that delegated the decision may not take it back.
MayAbort(e) ==
  \/ coord[e].phase = "init"
  \/ coord[e].phase = "preparing" /\ ~OnePhase /\ ~AllVoted(e)

TimeoutAbort(e) ==
  /\ "timeout" \in May
  /\ MayAbort(e)
  /\ coord' = [coord EXCEPT ![e].phase = "aborting"]
  /\ UNCHANGED <<log, fence, part, up, net, client, crashes, losses, taken>>

ClientAbort(e) ==
  /\ "clientAbort" \in May
  /\ MayAbort(e)
  /\ coord' = [coord EXCEPT ![e].phase = "aborting"]
  /\ UNCHANGED <<log, fence, part, up, net, client, crashes, losses, taken>>

\* An abort, or a commit that binds nobody while the client may still ask, is written down without waiting:
\* the next coordinator then says the same.  Nothing depends on it.
Note(e) ==
  /\ fence = e
  /\ log = NoRecord
  /\ \/ /\ coord[e].phase = "aborting"
        /\ ~OnePhase
        /\ Participants \ coord[e].ro # {}
        /\ log' = [rec |-> "abort", epoch |-> e, voters |-> Participants \ coord[e].ro, lost |-> {}]
     \/ /\ coord[e].phase = "committing"
        /\ coord[e].yes = {}
        /\ client = "waiting"
        /\ log' = [rec |-> "commit", epoch |-> e, voters |-> {}, lost |-> {}]
  /\ UNCHANGED <<fence, coord, part, up, net, client, crashes, losses, taken>>

\* A commit is sent until it is acknowledged.  An abort is told to those who may be bound by it: to the lone
\* participant never, for it decides itself once it is asked.
SendDecision(e, p) ==
  /\ \/ /\ coord[e].phase = "committing"
        /\ p \in coord[e].yes \ coord[e].acks
        /\ Send("commit", p)
     \/ /\ coord[e].phase = "aborting"
        /\ ~OnePhase
        /\ p \notin coord[e].ro
        /\ Send("abort", p)
  /\ UNCHANGED <<log, fence, coord, part, up, client, crashes, losses, taken>>

\* In one-phase commit the acknowledgement is also the decision.
RecvAck(e, p) ==
  /\ \/ /\ coord[e].phase = "committing"
        /\ <<"ackCommit", p>> \in net
        /\ coord' = [coord EXCEPT ![e] = [@ EXCEPT !.acks = @ \cup {p}, !.lost = @ \ {p}]]
     \/ /\ OnePhase
        /\ coord[e].phase = "preparing"
        /\ <<"ackCommit", p>> \in net
        /\ coord' = [coord EXCEPT ![e] = [NewCoord EXCEPT !.phase = "committing", !.yes = {p}, !.acks = {p}]]
     \/ /\ OnePhase
        /\ coord[e].phase = "preparing"
        /\ <<"ackAbort", p>> \in net
        /\ coord' = [coord EXCEPT ![e].phase = "aborting"]
  /\ UNCHANGED <<log, fence, part, up, net, client, crashes, losses, taken>>

\* A promise that was counted is lost.  That is no acknowledgement: the record stays, and says so, until the promise is restored and
\* carried out, or an operator ends it, whom this module does not model.
RecvLost(e, p) ==
  /\ \/ coord[e].phase = "committing"
     \/ OnePhase /\ coord[e].phase = "preparing"
  /\ <<"ackLost", p>> \in net
  /\ p \notin coord[e].acks \cup coord[e].lost
  /\ IF fence = e
       THEN /\ log' = [log EXCEPT !.epoch = e, !.lost = @ \cup {p}]
            /\ coord' = [coord EXCEPT ![e].lost = @ \cup {p}]
       ELSE /\ coord' = [coord EXCEPT ![e] = [NewCoord EXCEPT !.phase = "dead"]]
            /\ UNCHANGED log
  /\ UNCHANGED <<fence, part, up, net, client, crashes, losses, taken>>

\* The client is told a decision, and nothing before it.  Without a record it is told by presumption.
AckClient(e) ==
  /\ client = "waiting"
  /\ \/ /\ coord[e].phase = "committing"
        /\ client' = "committed"
     \/ /\ coord[e].phase \in {"aborting", "unknown"}
        /\ client' = "aborted"
  /\ UNCHANGED <<log, fence, coord, part, up, net, crashes, losses, taken>>

\* Whoever does not wait for the outcome is not told, and does not keep anything here.
ClientLeaves ==
  /\ "leave" \in May
  /\ client = "waiting"
  /\ client' = "left"
  /\ UNCHANGED <<log, fence, coord, part, up, net, crashes, losses, taken>>

\* The record goes when nobody can ask for it any more: every yes-voter has acknowledged, and the
\* client knows, or has left.  A missing record would tell either of them "aborted".
Forget(e) ==
  /\ fence = e
  /\ client # "waiting"
  /\ \/ /\ coord[e].phase = "committing"
        /\ coord[e].yes \subseteq coord[e].acks
     \/ /\ coord[e].phase = "aborting"
        /\ log.rec = "delegated"
  /\ log' = NoRecord
  /\ coord' = [coord EXCEPT ![e].phase = "completed"]
  /\ UNCHANGED <<fence, part, up, net, client, crashes, losses, taken>>

\* The yes of someone who will not be told otherwise is a question, too: nobody runs the transaction any
\* more, or the participant has also said no, before a crash.
Asks(e, p) ==
  \/ <<"inquire", p>> \in net
  \/ /\ <<"yes", p>> \in net
     /\ \/ coord[e].phase \in {"completed", "unknown"}
        \/ coord[e].phase = "aborting" /\ p \notin coord[e].yes /\ <<"no", p>> \in net

\* No record means aborted.  While votes are still being collected there is no answer.
AnswerInquiry(e, p) ==
  /\ Asks(e, p)
  /\ \/ /\ coord[e].phase = "committing"
        /\ Send("commit", p)
     \/ /\ coord[e].phase \in {"aborting", "completed", "unknown"}
        /\ Send("abort", p)
  /\ UNCHANGED <<log, fence, coord, part, up, client, crashes, losses, taken>>

CoordCrash(e) ==
  /\ e < MaxEpoch
  /\ coord[e].phase \notin {"off", "dead"}
  /\ coord' = [coord EXCEPT ![e] = [NewCoord EXCEPT !.phase = "dead"]]
  /\ UNCHANGED <<log, fence, part, up, net, client, crashes, losses, taken>>

\* The new epoch is in the log before anything else, so the old coordinator can decide nothing more.
\* What is decided is sent again; what was delegated is asked for again; the rest is aborted.
TakeOver(e) ==
  /\ fence > 0
  /\ e = fence + 1
  /\ fence' = e
  /\ coord' = [coord EXCEPT ![e] =
       CASE log.rec = "commit" -> [NewCoord EXCEPT !.phase = "committing", !.yes = log.voters, !.lost = log.lost]
         [] log.rec = "delegated" -> [NewCoord EXCEPT !.phase = "preparing", !.lost = log.lost]
         [] log.rec = "abort" -> [NewCoord EXCEPT !.phase = "aborting", !.ro = Participants \ log.voters]
         [] OTHER -> [NewCoord EXCEPT !.phase = "unknown"]]
  /\ UNCHANGED <<log, part, up, net, client, crashes, losses, taken>>

-----------------------------------------------------------------------------
(* The participants. *)

Become(p, s) == part' = [part EXCEPT ![p] = s]

\* Yes is said after it is durable.  No and read-only promise nothing, so they are not written, and a
\* crash may forget them; a read-only vote is forgotten in time without one, and who has forgotten it refuses
\* a Prepare that comes too late.  Who has lost one promise may make another.
RecvPrepare(p) ==
  /\ p \in up
  /\ <<"prepare", p>> \in net
  /\ \/ /\ part[p] \in {"working", "prepared"}
        /\ Become(p, "prepared")
        /\ Send("yes", p)
     \/ /\ \/ part[p] \in {"refused", "aborted"}
           \/ part[p] \in {"working", "readonly"} /\ "no" \in May
        /\ Become(p, IF part[p] = "aborted" THEN "aborted" ELSE "refused")
        /\ Send("no", p)
     \/ /\ \/ part[p] = "readonly"
           \/ part[p] = "working" /\ "readonly" \in May
        /\ Become(p, "readonly")
        /\ Send("readonly", p)
  /\ taken' = IF part[p] = "working" /\ part'[p] = "prepared" THEN taken \ {p} ELSE taken
  /\ UNCHANGED <<log, fence, coord, up, client, crashes, losses>>

\* The lone participant decides.  Both outcomes are durable before they are acknowledged: the
\* coordinator keeps no copy, and a Prepare that is sent again must meet the same outcome.  What it has
\* promised itself may be lost before it is carried out: then it says so.
RecvPrepareOnePhase(p) ==
  /\ p \in up
  /\ <<"prepareOnePhase", p>> \in net
  /\ \/ /\ part[p] \in {"working", "committed", "lost"}
        /\ p \notin taken
        /\ Become(p, "committed")
        /\ Send("ackCommit", p)
     \/ /\ \/ part[p] \in {"refused", "aborted"}
           \/ part[p] = "working" /\ "no" \in May
        /\ Become(p, "aborted")
        /\ Send("ackAbort", p)
     \/ /\ \/ part[p] = "lost" /\ p \in taken
           \/ part[p] = "working" /\ "losePromise" \in May
        /\ Become(p, "lost")
        /\ Send("ackLost", p)
  /\ taken' = IF part'[p] = "lost" THEN taken \cup {p} ELSE taken
  /\ UNCHANGED <<log, fence, coord, up, client, crashes, losses>>

\* A participant is free until it has voted.
UnilateralAbort(p) ==
  /\ "no" \in May
  /\ p \in up
  /\ part[p] = "working"
  /\ Become(p, "refused")
  /\ UNCHANGED <<log, fence, coord, up, net, client, crashes, losses, taken>>

\* In doubt it asks: in the Hello of each new session, and on a timer.
Inquire(p) ==
  /\ p \in up
  /\ part[p] = "prepared"
  /\ Send("inquire", p)
  /\ UNCHANGED <<log, fence, coord, part, up, client, crashes, losses, taken>>

\* The commit is durable before it is acknowledged: the acknowledgement allows the coordinator to forget.
\* What cannot be proved to have happened is not acknowledged.
RecvCommit(p) ==
  /\ p \in up
  /\ <<"commit", p>> \in net
  /\ part[p] \in {"prepared", "committed", "lost"}
  /\ p \notin taken
  /\ Become(p, "committed")
  /\ Send("ackCommit", p)
  /\ UNCHANGED <<log, fence, coord, up, client, crashes, losses, taken>>

\* The resource does not hold what it has promised; or nothing is known of a promise, for its log is another
\* one or was emptied.  The first is written down; of the second there is nothing to write.
RecvCommitLost(p) ==
  /\ p \in up
  /\ <<"commit", p>> \in net
  /\ \/ /\ part[p] \in {"prepared", "lost"}
        /\ p \in taken
        /\ Become(p, "lost")
     \/ /\ part[p] \in {"working", "refused", "readonly"}
        /\ Become(p, part[p])
  /\ Send("ackLost", p)
  /\ UNCHANGED <<log, fence, coord, up, client, crashes, losses, taken>>

\* An abort that finds the commit done is the answer to an old question, and is ignored.  One that finds a
\* read-only voter whose vote did not arrive is remembered as any other.  A promise names its coordinator: what
\* a stranger says of it is refused.
RecvAbort(p) ==
  /\ p \in up
  /\ <<"abort", p>> \in net
  /\ part[p] \in {"prepared", "refused", "readonly"}
  /\ Become(p, "aborted")
  /\ Send("ackAbort", p)
  /\ UNCHANGED <<log, fence, coord, up, client, crashes, losses, taken>>

\* The abort of a transaction it does not know is remembered, so that a Prepare which comes after it
\* is refused instead of leaving the participant in doubt.
RecvAbortUnknown(p) ==
  /\ p \in up
  /\ <<"abort", p>> \in net
  /\ part[p] = "working"
  /\ Become(p, "aborted")
  /\ Send("ackAbort", p)
  /\ UNCHANGED <<log, fence, coord, up, client, crashes, losses, taken>>

\* Also while it is down: a crash during the restart.
PartCrash(p) ==
  /\ crashes < MaxPartCrash
  /\ up' = up \ {p}
  /\ crashes' = crashes + 1
  /\ \E s \in {part[p], "working"} :
       /\ part[p] \in Durable => s = part[p]
       /\ Become(p, s)
  /\ UNCHANGED <<log, fence, coord, net, client, losses, taken>>

\* The new session supersedes the old one, by session_epoch: a Prepare to the old session is never
\* delivered, and a read-only vote from it is never counted.  Without this a read-only voter that
\* forgot its vote could prepare after the others have committed.
PartRecover(p) ==
  /\ p \notin up
  /\ up' = up \cup {p}
  /\ net' = net \ {<<"prepare", p>>, <<"readonly", p>>}
  /\ UNCHANGED <<log, fence, coord, part, client, crashes, losses, taken>>

-----------------------------------------------------------------------------
(* What keeps no promise. *)

\* By its resource: a restore, an end by hand.  Or by its log, while it is down: emptied, or taken from another
\* folder.  After the commit nobody asks any more.
LosePromise(p) ==
  /\ "losePromise" \in May
  /\ part[p] = "prepared"
  /\ p \notin taken
  /\ taken' = taken \cup {p}
  /\ \/ Become(p, "prepared")
     \/ p \notin up /\ Become(p, "working")
  /\ UNCHANGED <<log, fence, coord, up, net, client, crashes, losses>>

\* The right backup is found.
RestorePromise(p) ==
  /\ part[p] \in {"prepared", "lost"}
  /\ p \in taken
  /\ taken' = taken \ {p}
  /\ UNCHANGED <<log, fence, coord, part, up, net, client, crashes, losses>>

\* A coordinator with another log hears the Hello of a participant in doubt, has no record, and presumes.
StrangerAnswers(p) ==
  /\ "stranger" \in May
  /\ <<"inquire", p>> \in net
  /\ Send("strangerAbort", p)
  /\ UNCHANGED <<log, fence, coord, part, up, client, crashes, losses, taken>>

-----------------------------------------------------------------------------
(* The network. *)

Lose(m) ==
  /\ losses < MaxLoss
  /\ m \in net
  /\ net' = net \ {m}
  /\ losses' = losses + 1
  /\ UNCHANGED <<log, fence, coord, part, up, client, crashes, taken>>

-----------------------------------------------------------------------------
CoordStep(e) ==
  \/ Begin(e) \/ ForceDelegate(e) \/ ForceCommit(e) \/ CommitReadOnly(e) \/ AckClient(e) \/ Forget(e)
  \/ \E p \in Participants :
       SendPrepare(e, p) \/ RecvVote(e, p) \/ SendDecision(e, p) \/ RecvAck(e, p) \/ RecvLost(e, p)

PartStepUnasked(p) ==
  \/ RecvPrepare(p) \/ RecvPrepareOnePhase(p)
  \/ RecvCommit(p) \/ RecvCommitLost(p) \/ RecvAbort(p) \/ RecvAbortUnknown(p) \/ PartRecover(p)

PartStep(p) == PartStepUnasked(p) \/ Inquire(p)

Next ==
  \/ \E e \in Epochs :
       \/ CoordStep(e) \/ Note(e) \/ TimeoutAbort(e) \/ ClientAbort(e) \/ CoordCrash(e) \/ TakeOver(e)
       \/ \E p \in Participants : AnswerInquiry(e, p)
  \/ ClientLeaves
  \/ \E p \in Participants : PartStep(p) \/ UnilateralAbort(p) \/ PartCrash(p)
  \/ \E p \in Participants : LosePromise(p) \/ RestorePromise(p) \/ StrangerAnswers(p)
  \/ \E m \in MessageTypes \X Participants : Lose(m)

Spec == Init /\ [][Next]_vars

\* An Inquiry is answered; that a yes is taken as one is not relied on.
Answer(e) == \E p \in Participants : <<"inquire", p>> \in net /\ AnswerInquiry(e, p)

\* A coordinator that is gone is replaced.  Notes, crashes, losses, timeouts, refusals and that a client leaves are never owed.
Replace(e) == e > 1 /\ coord[e - 1].phase = "dead" /\ TakeOver(e)

CoordFairness == \A e \in Epochs : WF_vars(CoordStep(e) \/ Answer(e)) /\ WF_vars(Replace(e))

Fairness == CoordFairness /\ \A p \in Participants : WF_vars(PartStep(p))

LiveSpec == Spec /\ Fairness

\* Nobody in doubt need ask.
UnaskedSpec == Spec /\ CoordFairness /\ \A p \in Participants : WF_vars(PartStepUnasked(p))

-----------------------------------------------------------------------------
(* Invariants. *)

TypeOK ==
  /\ log \in [rec: {"none", "delegated", "commit", "abort"}, epoch: 0..MaxEpoch, voters: SUBSET Participants,
               lost: SUBSET Participants]
  /\ fence \in 0..MaxEpoch
  /\ coord \in [Epochs -> [phase: Phases, yes: SUBSET Participants, ro: SUBSET Participants,
                           acks: SUBSET Participants, lost: SUBSET Participants]]
  /\ part \in [Participants -> PartStates]
  /\ up \subseteq Participants
  /\ net \subseteq MessageTypes \X Participants
  /\ client \in {"waiting", "committed", "aborted", "left"}
  /\ crashes \in 0..MaxPartCrash
  /\ losses \in 0..MaxLoss
  /\ taken \subseteq Participants

SomeoneCommitted == \E p \in Participants : part[p] = "committed"
SomeoneInDoubt == \E p \in Participants : part[p] = "prepared"
EveryoneDone == ~SomeoneInDoubt

\* Consistency (Gray and Lamport, section 2): no two participants end differently.
Agreement == \A p, q \in Participants : ~(part[p] = "committed" /\ part[q] = "aborted")

\* A commit record names exactly those who promised; all others had left as read-only voters, and
\* none of those became bound again: a crash may have made them forget, and a Prepare that came too late refuse.
CommitValidity ==
  log.rec = "commit" =>
    /\ \A p \in log.voters : part[p] \in {"prepared", "committed"} \/ p \in taken \/ part[p] = "lost"
    /\ \A p \in Participants \ log.voters :
         \/ part[p] = "readonly"
         \/ part[p] \in {"working", "refused"} /\ crashes > 0
         \/ part[p] = "refused" /\ <<"readonly", p>> \in net

\* Non-triviality (Gray and Lamport, section 2): an abort has a cause.  With no refusal, no timeout, no
\* client's wish and no lost coordinator there is none.  Not for models that lose a no (MaxLoss > 0).
AbortValidity ==
  (\E p \in Participants : part[p] = "aborted") =>
    \/ fence > 1
    \/ May \cap {"timeout", "clientAbort"} # {}
    \/ "no" \in May /\ (OnePhase \/ \E p \in Participants : <<"no", p>> \in net)

\* Nothing that speaks of a commit exists before the commit record does: write-ahead, as in Mohan et al.
\* Afterwards the record stays until everyone who promised is done.
WriteAheadDecision ==
  (\/ \E p \in Participants : <<"commit", p>> \in net
   \/ \E e \in Epochs : coord[e].phase = "committing" /\ coord[e].yes # {})
  => log.rec = "commit" \/ (SomeoneCommitted /\ EveryoneDone)

\* A yes that was sent or counted is durable at its sender.
WriteAheadVote ==
  \A p \in Participants :
    (<<"yes", p>> \in net \/ \E e \in Epochs : p \in coord[e].yes) => part[p] \in Durable \/ p \in taken

\* An acknowledgement that was sent or counted is durable at its sender.
WriteAheadAck ==
  \A p \in Participants :
    /\ (<<"ackCommit", p>> \in net \/ \E e \in Epochs : p \in coord[e].acks) => part[p] = "committed"
    /\ <<"ackAbort", p>> \in net => part[p] = "aborted"

\* What is acknowledged has happened: nobody whose promise is gone has said, or is thought to have said, that it committed.
AckHonest ==
  /\ \A p \in taken :
       /\ part[p] # "committed"
       /\ <<"ackCommit", p>> \notin net
       /\ \A e \in Epochs : p \notin coord[e].acks
  /\ \A e \in Epochs : coord[e].acks \cap coord[e].lost = {}

\* Only who has promised has acknowledged.
AckFromVoter == \A e \in Epochs : coord[e].acks \subseteq coord[e].yes

\* While a promise is lost there is a record of the transaction, and it keeps what was said of that.
LostNeverForgotten ==
  /\ \A p \in Participants : part[p] = "lost" => log.rec \in {"delegated", "commit"}
  /\ \A e \in Epochs : fence = e => coord[e].lost \subseteq log.lost

\* Whoever runs the transaction knows of each loss that the record tells of, until it is mended.
LossKnown ==
  \A e \in Epochs : fence = e /\ coord[e].phase \in {"preparing", "committing"} => log.lost \subseteq coord[e].lost \cup coord[e].acks

\* The record of an abort names everyone who may be bound, and who owns the log tells it to them, and to nobody else.
NoteSound ==
  log.rec = "abort" =>
    /\ \A p \in Participants : part[p] = "prepared" => p \in log.voters \/ <<"no", p>> \in net
    /\ \A e \in Epochs : fence = e /\ coord[e].phase # "dead" =>
         coord[e].phase = "aborting" /\ coord[e].ro = Participants \ log.voters

\* The commit point is the record: while one has committed and another is in doubt, the record exists.
CommitPointDurable == SomeoneCommitted /\ SomeoneInDoubt => log.rec = "commit"

\* A commit reaches only those who are prepared for it.  A participant answers any other with a Nack,
\* and a Nack would mean that a replaced coordinator, or an early one, was believed.
NoStaleCommit ==
  \A p \in Participants : <<"commit", p>> \in net => part[p] \in {"prepared", "committed", "lost"} \/ p \in taken

\* Whoever answers "aborted" is right for everyone who still has to ask (presumed abort).
Presumes(e) == coord[e].phase \in {"aborting", "completed", "unknown"}
PresumptionSound ==
  (\E e \in Epochs : Presumes(e)) /\ SomeoneInDoubt =>
    log.rec \in {"none", "abort"} /\ ~SomeoneCommitted /\ client # "committed"

\* A forgotten commit is one that everyone who promised has made durable, and that the client knows.
ForgetSafe ==
  \A e \in Epochs : coord[e].phase = "completed" =>
    /\ \A p \in coord[e].yes : part[p] = "committed"
    /\ client # "waiting"

\* What the client was told is true for ever: of a commit there is a record as long as anyone needs it,
\* and after an abort nobody commits.
ClientAckDurable ==
  /\ client = "committed" => /\ \A p \in Participants : part[p] # "aborted"
                             /\ SomeoneInDoubt => log.rec = "commit"
  /\ client = "aborted" => log.rec # "commit" /\ ~SomeoneCommitted

-----------------------------------------------------------------------------
(* Action properties. *)

\* In doubt, a participant moves only by a decision it has received, or by losing its promise.
InDoubtNeverUnilateral ==
  [][\A p \in Participants : part[p] = "prepared" /\ part'[p] # "prepared" =>
       \/ part'[p] \in {"committed", "lost"} /\ <<"commit", p>> \in net
       \/ part'[p] = "aborted" /\ <<"abort", p>> \in net
       \/ p \in taken']_vars

\* Outcomes are final, at the participants, in the log and for the client.
DecisionStable ==
  [][/\ \A p \in Participants : part[p] \in {"committed", "aborted"} => part'[p] = part[p]
     /\ log.rec = "commit" /\ log' # log =>
          \/ log' = NoRecord /\ \A p \in log.voters : part[p] = "committed"
          \/ log' = [log EXCEPT !.epoch = log'.epoch, !.lost = log'.lost]
     /\ client # "waiting" => client' = client]_vars

FenceMonotonic == [][fence' >= fence]_vars

\* Only the coordinator whose epoch is in the fence changes the log.
LogAppendByOwnerOnly ==
  [][log' # log =>
       /\ log'.rec # "none" => log'.epoch = fence
       /\ \A e \in Epochs : coord'[e] # coord[e] => e = fence]_vars

\* A promise that has just been made is held, whatever was lost before.
PromiseMade == [][\A p \in Participants : part[p] # "prepared" /\ part'[p] = "prepared" => p \notin taken']_vars

\* A message is gone only when it is lost, which is counted, or with the session that it was sent in.
MessagesStay ==
  [][/\ losses' # losses => losses' = losses + 1 /\ \E m \in net : net' = net \ {m}
     /\ losses' = losses => \A m \in net \ net' : m[1] \in {"prepare", "readonly"} /\ m[2] \in up' \ up]_vars

-----------------------------------------------------------------------------
(* Liveness, of LiveSpec, and the last but one of UnaskedSpec. *)

\* Every call is answered, or its client has left.
ClientAnswered == <>(client \in {"committed", "aborted", "left"})

\* And nobody stays in doubt.
Termination == ClientAnswered /\ <>[]EveryoneDone

InDoubtResolves ==
  \A p \in Participants : part[p] = "prepared" ~> part[p] \in {"committed", "aborted"}

\* The log does not grow for ever, and what it forgets is done.
CommitEventuallyForgotten ==
  log.rec \in {"delegated", "commit"} ~> log.rec \in {"none", "abort"} /\ EveryoneDone

\* A lost promise becomes known to a coordinator.
LossIsReported ==
  \A p \in Participants :
    (p \in taken /\ (log.rec = "delegated" \/ p \in log.voters)) ~> (p \in log.lost \/ p \notin taken)

\* A commit comes to everyone who promised by itself, also from the coordinator that has taken over.
CommitComesUnasked ==
  \A p \in Participants : log.rec = "commit" /\ p \in log.voters ~> part[p] = "committed"

\* Non-triviality: with no faults and no whims, all commit.
NoFaultAllYesCommits ==
  (May = {} /\ MaxEpoch = 1 /\ MaxPartCrash = 0 /\ MaxLoss = 0) =>
    <>(client = "committed" /\ \A p \in Participants : part[p] = "committed")

-----------------------------------------------------------------------------
(* Refinement.  A participant that is not bound when the commit is decided has left.  Not for models that lose promises. *)

Decided == (log.rec = "commit" /\ log.voters # {}) \/ SomeoneCommitted

Abstract == INSTANCE AtomicCommit WITH
  state <- [p \in Participants |->
              IF part[p] = "lost" THEN "prepared"
              ELSE IF part[p] \in Durable THEN part[p] ELSE IF Decided THEN "readonly" ELSE "working"]

Refinement == Abstract!Spec

-----------------------------------------------------------------------------
(* Witnesses: each is an invariant that must be violated, for the state it excludes can be reached. *)

NeverAllCommitted == ~(client = "committed" /\ \A p \in Participants : part[p] = "committed")
NeverAllAborted == ~(client = "aborted" /\ \A p \in Participants : part[p] = "aborted")
NeverTakeOverCommits == ~(\E e \in Epochs : e > 1 /\ coord[e].phase = "completed" /\ SomeoneCommitted)
NeverZombieDecides ==
  ~(fence > 1 /\ coord[1].phase = "preparing" /\ coord[1].yes # {} /\ coord[1].yes \cup coord[1].ro = Participants)
NeverInDoubtCommits ==
  ~(\E p \in Participants : <<"inquire", p>> \in net /\ part[p] = "committed" /\ coord[1].phase = "dead")
NeverInDoubtAborts ==
  ~(\E p \in Participants : <<"inquire", p>> \in net /\ part[p] = "aborted" /\ coord[1].phase = "dead")
NeverLossKnown == ~(\E e \in Epochs : e > 1 /\ coord[e].lost # {} /\ client = "committed" /\ SomeoneCommitted)
NeverLossMended == ~(\E p \in log.lost : part[p] = "committed")
NeverStrangerRefused == ~(\E p \in Participants : <<"strangerAbort", p>> \in net /\ <<"ackCommit", p>> \in net)
NeverLeftAndForgotten == ~(\E e \in Epochs : coord[e].phase = "completed" /\ client = "left" /\ SomeoneCommitted)
NeverForgottenReadOnly ==
  ~(\E p \in Participants : part[p] = "working" /\ p \in coord[1].ro /\ coord[1].phase = "committing")
NeverRefusedLate ==
  ~(\E p \in Participants : part[p] = "refused" /\ crashes = 0 /\ coord[1].phase = "committing")
=============================================================================
