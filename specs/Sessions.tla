------------------------------ MODULE Sessions ------------------------------
(***************************************************************************)
(* Several transactions over one decision log, coordinators that replace   *)
(* each other, and the sessions that participants have with them.          *)
(*                                                                         *)
(* TwoPhaseCommit has one transaction, and of sessions only the effect.    *)
(* Here is what one transaction cannot show: a coordinator that was        *)
(* replaced is asked about a transaction that its successor has begun; two *)
(* Hellos of one participant are under way at the same time; and a log     *)
(* that was restored from an older copy is claimed as if it were the       *)
(* newest.  So one transaction is simpler here: there is no client and no  *)
(* one-phase commit, a record is never dropped, and nothing is aborted but *)
(* by presumption.                                                         *)
(*                                                                         *)
(* What a coordinator says is read off its state by whoever has a session  *)
(* with it: a coordinator that was replaced and does not know goes on, so  *)
(* its messages are as late as they can be.  What participants say is in   *)
(* the net, for each stream, and stays there.                              *)
(***************************************************************************)
EXTENDS Naturals, Sequences, FiniteSets, TLC

CONSTANTS
  Transactions,
  Participants,
  MaxRun,        \* processes of the coordinator, each of which claims the log once
  MaxStream,     \* streams that a participant opens, the first one included
  MaxPartCrash,  \* crashes of participants
  May            \* what else may happen, a subset of Whims

\* readonly: participants may have nothing to undo.  early: a coordinator presumes abort of what it has not been asked about yet.
\* restore: once, the decision log is put back as it was at some earlier time.
Whims == {"readonly", "early", "restore"}

ASSUME May \subseteq Whims

VARIABLES
  log,      \* durable: the record of each transaction
  claims,   \* durable, in the log: the process that made the claim of each epoch; so its length is the fence
  numbers,  \* durable, in the log: the newest session_epoch of each participant
  coord,    \* volatile: the processes of the coordinator
  begun,    \* by which process each transaction was begun; 0: by none yet
  stream,   \* volatile: the streams of each participant, as both ends see them
  part,     \* each transaction at each participant
  owner,    \* durable: the newest coordinator epoch that each participant knows of each transaction
  seen,     \* durable: the newest claim that each participant has seen
  net,      \* what participants have said
  crashes,  \* crashes of participants so far
  copy      \* the copy of the log that may be put back; empty if there is none (any more)

logVars == <<log, claims, numbers>>
partVars == <<part, owner, seen>>
vars == <<logVars, coord, begun, stream, partVars, net, crashes, copy>>

Runs == 1..MaxRun
Streams == 1..MaxStream

NoRecord == [rec |-> "none", voters |-> {}]
NewTx == [phase |-> "none", yes |-> {}, ro |-> {}]
NewCoord == [phase |-> "off", claims |-> <<>>, tx |-> [t \in Transactions |-> NewTx]]
Dead == [NewCoord EXCEPT !.phase = "dead"]

\* to: the process at the other end.  number: the session_epoch.  there: what the coordinator makes of it.  here: what the
\* participant does.
NoStream == [to |-> 0, number |-> 0, there |-> "none", here |-> "none"]

\* The first session is there when it begins.
FirstStream == [to |-> 1, number |-> 1, there |-> "welcomed", here |-> "welcomed"]

Symmetry == Permutations(Transactions) \cup Permutations(Participants)

Init ==
  /\ log = [t \in Transactions |-> NoRecord]
  /\ claims = <<1>>
  /\ numbers = [p \in Participants |-> 1]
  /\ coord = [i \in Runs |-> IF i = 1 THEN [NewCoord EXCEPT !.phase = "up", !.claims = <<1>>] ELSE NewCoord]
  /\ begun = [t \in Transactions |-> 0]
  /\ stream = [p \in Participants |-> [s \in Streams |-> IF s = 1 THEN FirstStream ELSE NoStream]]
  /\ part = [p \in Participants |-> [t \in Transactions |-> "working"]]
  /\ owner = [p \in Participants |-> [t \in Transactions |-> 0]]
  /\ seen = [p \in Participants |-> <<1, 1>>]
  /\ net = {}
  /\ crashes = 0
  /\ copy = <<>>

Range(f) == {f[i] : i \in DOMAIN f}

Fence == Len(claims)
Epoch(i) == Len(coord[i].claims)

\* Every write of the log expects this, and so do the answers that come from it.
Owns(i) == Fence = Epoch(i)

Up(i) == coord[i].phase = "up"
Phase(i, t) == coord[i].tx[t].phase
Stops(i) == coord' = [coord EXCEPT ![i] = Dead]

\* The stream is the session of its participant with this process.
IsCurrent(i, p, s) == stream[p][s].to = i /\ stream[p][s].there = "welcomed"

Says(type, p, t, s) == net' = net \cup {<<type, p, t, s>>}

-----------------------------------------------------------------------------
(* The log and its owner. *)

\* The claim takes the next epoch and fences whoever has had the log before, who may go on without knowing.  One that has crashed
\* is one that does not go on.
Claim(i) ==
  /\ coord[i].phase = "off"
  /\ i > 1 => coord[i - 1].phase # "off"
  /\ claims' = Append(claims, i)
  /\ coord' = [coord EXCEPT ![i] = [NewCoord EXCEPT !.phase = "up", !.claims = Append(claims, i)]]
  /\ UNCHANGED <<log, numbers, begun, stream, partVars, net, crashes, copy>>

\* A copy is made; later the log is as it was.  For that, every process that has it open is stopped.
CopyLog ==
  /\ "restore" \in May
  /\ copy = <<>>
  /\ copy' = <<log, claims, numbers>>
  /\ UNCHANGED <<logVars, coord, begun, stream, partVars, net, crashes>>

RestoreLog ==
  /\ Len(copy) = 3
  /\ log' = copy[1]
  /\ claims' = copy[2]
  /\ numbers' = copy[3]
  /\ copy' = <<"used">>
  /\ coord' = [i \in Runs |-> IF coord[i].phase = "off" THEN coord[i] ELSE Dead]
  /\ UNCHANGED <<begun, stream, partVars, net, crashes>>

-----------------------------------------------------------------------------
(* Sessions. *)

\* A participant opens one stream after the other; what it has had with this process is over, for all that the participant cares.
Hello(p, i) ==
  LET used == {s \in Streams : stream[p][s] # NoStream}
      s == Cardinality(used) + 1
  IN
  /\ Up(i)
  /\ s \in Streams
  /\ stream' = [stream EXCEPT ![p] = [r \in Streams |->
       CASE r = s -> [to |-> i, number |-> 0, there |-> "hello", here |-> "greeting"]
         [] r \in used /\ stream[p][r].to = i -> [stream[p][r] EXCEPT !.here = "gone"]
         [] OTHER -> stream[p][r]]]
  /\ UNCHANGED <<logVars, coord, begun, partVars, net, crashes, copy>>

\* The number of the session is durable before Welcome is sent; only the owner of the log can write it.
OpenSession(i, p, s) ==
  /\ Up(i)
  /\ stream[p][s].to = i
  /\ stream[p][s].there = "hello"
  /\ IF Owns(i)
       THEN /\ numbers' = [numbers EXCEPT ![p] = @ + 1]
            /\ stream' = [stream EXCEPT ![p][s] = [@ EXCEPT !.number = numbers[p] + 1, !.there = "numbered"]]
            /\ UNCHANGED coord
       ELSE /\ Stops(i)
            /\ UNCHANGED <<numbers, stream>>
  /\ UNCHANGED <<log, claims, begun, partVars, net, crashes, copy>>

\* The newest Hello wins, in whatever order the writes are heard of.
Welcome(i, p, s) ==
  LET others == {r \in Streams \ {s} : IsCurrent(i, p, r)} IN
  /\ Up(i)
  /\ stream[p][s].to = i
  /\ stream[p][s].there = "numbered"
  /\ IF \E r \in others : stream[p][r].number > stream[p][s].number
       THEN stream' = [stream EXCEPT ![p][s].there = "ended"]
       ELSE stream' = [stream EXCEPT ![p] = [r \in Streams |->
              CASE r = s -> [stream[p][r] EXCEPT !.there = "welcomed"]
                [] r \in others -> [stream[p][r] EXCEPT !.there = "ended"]
                [] OTHER -> stream[p][r]]]
  /\ UNCHANGED <<logVars, coord, begun, partVars, net, crashes, copy>>

\* These claims are of the log that the participant has seen, or of what that has become.
GoesOn(from, list) == from[1] <= Len(list) /\ list[from[1]] = from[2]

\* The participant believes Welcome only from a log that goes on from the claim that it has seen last; then it remembers the new
\* one, before it acts on anything.
Admit(p, s) ==
  LET i == stream[p][s].to IN
  /\ stream[p][s].here = "greeting"
  /\ IsCurrent(i, p, s)
  /\ Up(i)
  /\ IF GoesOn(seen[p], coord[i].claims)
       THEN /\ stream' = [stream EXCEPT ![p][s].here = "welcomed"]
            /\ seen' = [seen EXCEPT ![p] = <<Epoch(i), i>>]
       ELSE /\ stream' = [stream EXCEPT ![p][s].here = "refused"]
            /\ UNCHANGED seen
  /\ UNCHANGED <<logVars, coord, begun, part, owner, net, crashes, copy>>

-----------------------------------------------------------------------------
(* The coordinator of a transaction. *)

Tx(i, t, change) == coord' = [coord EXCEPT ![i].tx[t] = change]

\* A process begins one: two of one process share nothing that two of different ones do not.
Begin(i, t) ==
  /\ Up(i)
  /\ begun[t] = 0
  /\ i \notin Range(begun)
  /\ begun' = [begun EXCEPT ![t] = i]
  /\ Tx(i, t, [NewTx EXCEPT !.phase = "preparing"])
  /\ UNCHANGED <<logVars, stream, partVars, net, crashes, copy>>

AllVoted(i, t) == coord[i].tx[t].yes \cup coord[i].tx[t].ro = Participants

\* What a session that was superseded still says is not heard.
RecvVote(i, p, t, s) ==
  /\ Up(i)
  /\ IsCurrent(i, p, s)
  /\ Phase(i, t) = "preparing"
  /\ ~AllVoted(i, t)
  /\ \/ <<"yes", p, t, s>> \in net /\ Tx(i, t, [coord[i].tx[t] EXCEPT !.yes = @ \cup {p}])
     \/ <<"readonly", p, t, s>> \in net /\ Tx(i, t, [coord[i].tx[t] EXCEPT !.ro = @ \cup {p}])
  /\ UNCHANGED <<logVars, begun, stream, partVars, net, crashes, copy>>

ForceCommit(i, t) ==
  /\ Up(i)
  /\ Phase(i, t) = "preparing"
  /\ AllVoted(i, t)
  /\ coord[i].tx[t].yes # {}
  /\ IF Owns(i)
       THEN /\ log' = [log EXCEPT ![t] = [rec |-> "commit", voters |-> coord[i].tx[t].yes]]
            /\ Tx(i, t, [coord[i].tx[t] EXCEPT !.phase = "committing"])
       ELSE /\ Stops(i)
            /\ UNCHANGED log
  /\ UNCHANGED <<claims, numbers, begun, stream, partVars, net, crashes, copy>>

\* A record that this process does not run: of the time before its claim it takes it over, a later one is another's.
TakeUp(i, t) ==
  /\ Up(i)
  /\ Phase(i, t) = "none"
  /\ log[t].rec = "commit"
  /\ IF Owns(i) THEN Tx(i, t, [NewTx EXCEPT !.phase = "committing", !.yes = log[t].voters]) ELSE Stops(i)
  /\ UNCHANGED <<logVars, begun, stream, partVars, net, crashes, copy>>

InDoubt(p, t) == part[p][t] = "prepared"

\* The question is in the Hello of the session, or in an Inquiry: it may be answered before the participant believes the coordinator.
\* First the log is read.
ReadForAnswer(i, p, t, s) ==
  /\ Up(i)
  /\ IsCurrent(i, p, s)
  /\ InDoubt(p, t)
  /\ Phase(i, t) = "none"
  /\ log[t].rec = "none"
  /\ Tx(i, t, [NewTx EXCEPT !.phase = "read"])
  /\ UNCHANGED <<logVars, begun, stream, partVars, net, crashes, copy>>

\* Nothing was there.  It means aborted only if the log was still this process's own: else its successor may have begun the
\* transaction.
Presume(i, t) ==
  /\ Up(i)
  /\ Phase(i, t) = "read"
  /\ IF Owns(i) THEN Tx(i, t, [NewTx EXCEPT !.phase = "presumed"]) ELSE Stops(i)
  /\ UNCHANGED <<logVars, begun, stream, partVars, net, crashes, copy>>

\* It has looked before it was asked.
PresumeEarly(i, t) ==
  /\ "early" \in May
  /\ Up(i)
  /\ begun[t] = 0
  /\ Phase(i, t) = "none"
  /\ Owns(i)
  /\ Tx(i, t, [NewTx EXCEPT !.phase = "presumed"])
  /\ UNCHANGED <<logVars, begun, stream, partVars, net, crashes, copy>>

-----------------------------------------------------------------------------
(* The participants. *)

\* A session that the participant has, with a coordinator that is not older than what it knows of.
Hears(p, t, s) ==
  LET i == stream[p][s].to IN
  /\ stream[p][s].here = "welcomed"
  /\ Up(i)
  /\ Epoch(i) >= seen[p][1]
  /\ Epoch(i) >= owner[p][t]

RecvPrepare(p, t, s) ==
  LET i == stream[p][s].to IN
  /\ Hears(p, t, s)
  /\ Phase(i, t) = "preparing"
  /\ p \notin coord[i].tx[t].yes \cup coord[i].tx[t].ro
  /\ \/ /\ part[p][t] \in {"working", "prepared"}
        /\ part' = [part EXCEPT ![p][t] = "prepared"]
        /\ owner' = [owner EXCEPT ![p][t] = Epoch(i)]
        /\ Says("yes", p, t, s)
     \/ /\ \/ part[p][t] = "working" /\ "readonly" \in May
           \/ part[p][t] = "readonly"
        /\ part' = [part EXCEPT ![p][t] = "readonly"]
        /\ Says("readonly", p, t, s)
        /\ UNCHANGED owner
  /\ UNCHANGED <<logVars, coord, begun, stream, seen, crashes, copy>>

RecvCommit(p, t, s) ==
  /\ Hears(p, t, s)
  /\ Phase(stream[p][s].to, t) = "committing"
  /\ part[p][t] = "prepared"
  /\ part' = [part EXCEPT ![p][t] = "committed"]
  /\ UNCHANGED <<logVars, coord, begun, stream, owner, seen, net, crashes, copy>>

\* What is presumed is told to those who asked.
RecvAbort(p, t, s) ==
  /\ Hears(p, t, s)
  /\ Phase(stream[p][s].to, t) = "presumed"
  /\ part[p][t] = "prepared"
  /\ part' = [part EXCEPT ![p][t] = "aborted"]
  /\ UNCHANGED <<logVars, coord, begun, stream, owner, seen, net, crashes, copy>>

\* The process is another one: it has no streams yet, and of its transactions and of what it has seen what is durable.
PartCrash(p) ==
  /\ crashes < MaxPartCrash
  /\ crashes' = crashes + 1
  /\ part' = [part EXCEPT ![p] = [t \in Transactions |-> IF part[p][t] = "readonly" THEN "working" ELSE part[p][t]]]
  /\ stream' = [stream EXCEPT ![p] = [s \in Streams |->
       IF stream[p][s] = NoStream THEN NoStream ELSE [stream[p][s] EXCEPT !.here = "gone"]]]
  /\ UNCHANGED <<logVars, coord, begun, owner, seen, net, copy>>

-----------------------------------------------------------------------------
Next ==
  \/ \E i \in Runs : Claim(i)
  \/ CopyLog \/ RestoreLog
  \/ \E p \in Participants, i \in Runs : Hello(p, i)
  \/ \E p \in Participants, s \in Streams :
       \/ Admit(p, s)
       \/ \E i \in Runs : OpenSession(i, p, s) \/ Welcome(i, p, s)
  \/ \E i \in Runs, t \in Transactions :
       \/ Begin(i, t) \/ ForceCommit(i, t) \/ TakeUp(i, t) \/ Presume(i, t) \/ PresumeEarly(i, t)
       \/ \E p \in Participants, s \in Streams : RecvVote(i, p, t, s) \/ ReadForAnswer(i, p, t, s)
  \/ \E p \in Participants, t \in Transactions, s \in Streams : RecvPrepare(p, t, s) \/ RecvCommit(p, t, s) \/ RecvAbort(p, t, s)
  \/ \E p \in Participants : PartCrash(p)

Spec == Init /\ [][Next]_vars

-----------------------------------------------------------------------------
(* Invariants. *)

TypeOK ==
  /\ log \in [Transactions -> [rec: {"none", "commit"}, voters: SUBSET Participants]]
  /\ Range(claims) \subseteq Runs
  /\ \A p \in Participants :
       /\ numbers[p] \in 1..MaxStream
       /\ seen[p] \in Runs \X Runs
       /\ \A s \in Streams :
            /\ stream[p][s].to \in 0..MaxRun
            /\ stream[p][s].number \in 0..MaxStream
            /\ stream[p][s].there \in {"none", "hello", "numbered", "welcomed", "ended"}
            /\ stream[p][s].here \in {"none", "greeting", "welcomed", "refused", "gone"}
  /\ Len(copy) \in (IF "restore" \in May THEN {0, 1, 3} ELSE {0})
  /\ \A i \in Runs :
       /\ coord[i].phase \in {"off", "up", "dead"}
       /\ \A t \in Transactions :
            Phase(i, t) \in {"none", "preparing", "committing", "read", "presumed"}
  /\ begun \in [Transactions -> 0..MaxRun]
  /\ part \in [Participants -> [Transactions -> {"working", "prepared", "readonly", "committed", "aborted"}]]
  /\ owner \in [Participants -> [Transactions -> 0..MaxRun]]
  /\ crashes \in 0..MaxPartCrash

SomeoneCommitted(t) == \E p \in Participants : part[p][t] = "committed"

Agreement == \A t \in Transactions : \A p, q \in Participants : ~(part[p][t] = "committed" /\ part[q][t] = "aborted")

\* It is committed, or whoever owns the log runs it and may commit it.
MayCommit(t) == log[t].rec = "commit" \/ SomeoneCommitted(t) \/ \E i \in Runs : Up(i) /\ Owns(i) /\ Phase(i, t) = "preparing"

\* A presumed abort is told of nothing that is committed or may still commit, while there is one who might believe it.
PresumptionSound ==
  \A i \in Runs, t \in Transactions :
    Phase(i, t) = "presumed" /\ (\E p \in Participants : InDoubt(p, t)) => ~MayCommit(t)

\* A commit record names exactly those who promised, and somebody has.
CommitValidity ==
  \A t \in Transactions :
    log[t].rec = "commit" =>
      /\ log[t].voters # {}
      /\ \A p \in log[t].voters : part[p][t] \in {"prepared", "committed"}
      /\ \A p \in Participants \ log[t].voters : part[p][t] \in {"readonly", "working"}

\* Each process claims the log once, before it does anything; as far as the log was not put back, the claim of each that goes on
\* is in it, and nobody claims for another.
ClaimDurable ==
  /\ \A j, k \in DOMAIN claims : j # k => claims[j] # claims[k]
  /\ \A j \in DOMAIN claims : coord[claims[j]].phase # "off"
  /\ \A i \in Runs : Up(i) =>
       /\ Epoch(i) > 0 /\ coord[i].claims[Epoch(i)] = i
       /\ Epoch(i) <= Fence /\ SubSeq(claims, 1, Epoch(i)) = coord[i].claims

\* Who tells participants to commit has it in the log, with all who are to hear of it.
WriteAheadDecision ==
  \A i \in Runs, t \in Transactions :
    Up(i) /\ Phase(i, t) = "committing" => log[t].rec = "commit" /\ coord[i].tx[t].yes = log[t].voters

\* Who has said yes has written the promise down, and of whose it is.
WriteAheadVote ==
  \A p \in Participants, t \in Transactions, s \in Streams :
    /\ <<"yes", p, t, s>> \in net => part[p][t] \in {"prepared", "committed", "aborted"}
    /\ part[p][t] \in {"prepared", "committed", "aborted"} => owner[p][t] \in 1..Fence \/ Len(copy) = 1

\* What has stopped had the log once, and does nothing any more.
StoppedForGood ==
  \A i \in Runs : coord[i].phase = "dead" => coord[i] = Dead /\ (i \in Range(claims) \/ Len(copy) = 1)

\* A number is one session's.
SessionNumbersUnique ==
  \A p \in Participants : \A s, r \in Streams :
    s # r /\ stream[p][s].number # 0 => stream[p][s].number # stream[p][r].number

\* A participant has one session with a coordinator, the newest that was welcomed.
NewestSessionWins ==
  \A p \in Participants : \A s, r \in Streams :
    s # r /\ stream[p][s].there = "welcomed" /\ stream[p][r].to = stream[p][s].to =>
      /\ stream[p][r].there # "welcomed"
      /\ stream[p][r].there = "ended" => stream[p][r].number < stream[p][s].number

\* What was welcomed has its number in the log, as far as that was not put back.
SessionDurable ==
  Len(copy) # 1 => \A p \in Participants, s \in Streams : stream[p][s].there = "welcomed" => stream[p][s].number \in 1..numbers[p]

-----------------------------------------------------------------------------
(* Action properties. *)

\* The fence only grows, and claims are only added, unless the log is put back.
FenceGrows ==
  [][\/ copy' # copy /\ Len(copy') = 1
     \/ Len(claims') >= Fence /\ SubSeq(claims', 1, Fence) = claims]_vars

\* Only the owner writes: a record, or the number of a session.
OwnerWrites ==
  [][/\ log' # log /\ copy' = copy => \A i \in Runs : coord[i] # coord'[i] => Owns(i)
     /\ \A p \in Participants, s \in Streams :
          stream[p][s].there = "hello" /\ stream'[p][s].there = "numbered" => Owns(stream[p][s].to)]_vars

\* A session's messages are its own: what is counted was said in the session that there is.
HeardInSession ==
  [][\A i \in Runs, t \in Transactions, p \in Participants :
       LET said(type) == \E s \in Streams : IsCurrent(i, p, s) /\ <<type, p, t, s>> \in net IN
       coord'[i].phase = "up" =>
         /\ (p \in coord'[i].tx[t].ro \ coord[i].tx[t].ro) => said("readonly")
         /\ (p \in coord'[i].tx[t].yes \ coord[i].tx[t].yes) => (said("yes") \/ p \in log[t].voters)]_vars

\* A promise ends by the word of a coordinator that is not older than any that the participant knows of, and whose log is the one
\* that it has seen.
DecidedByItsLog ==
  [][\A p \in Participants, t \in Transactions :
       InDoubt(p, t) /\ part'[p][t] # "prepared" =>
         \E s \in Streams :
           LET i == stream[p][s].to IN
           /\ stream[p][s].here = "welcomed"
           /\ GoesOn(seen[p], coord[i].claims)
           /\ Epoch(i) >= owner[p][t]
           /\ Phase(i, t) \in (IF part'[p][t] = "committed" THEN {"committing"} ELSE {"presumed"})]_vars

\* What a participant has seen of the log is not forgotten, and only gets longer.
SeenGrows ==
  [][\A p \in Participants : seen'[p] # seen[p] => seen'[p][1] > seen[p][1] /\ GoesOn(seen[p], coord[seen'[p][2]].claims)]_vars

\* What is copied is the whole log as it is, once; what is put back is the copy, once, and whoever has had the log open is
\* stopped.
PutBackWhole ==
  [][copy' # copy =>
       \/ copy = <<>> /\ copy' = <<log, claims, numbers>>
       \/ /\ Len(copy) = 3 /\ Len(copy') = 1 /\ <<log', claims', numbers'>> = copy
          /\ \A i \in Runs : coord'[i].phase = (IF coord[i].phase = "off" THEN "off" ELSE "dead")]_vars

\* How each end of a stream goes on: there, it is welcomed once, under a number that it keeps, and ends for a newer one; here, it
\* is believed at most once, if it was welcomed, and then the claim is remembered, and it is left for a newer one to the same
\* process, or in a crash.
StreamGoesOn ==
  [][\A p \in Participants, s \in Streams :
       LET before == stream[p][s]
           after == stream'[p][s]
           isNewer(r) == stream[p][r] = NoStream /\ stream'[p][r].to = before.to
       IN
       before # after =>
         /\ Up(after.to) \/ after.here = "gone"
         /\ before = NoStream =>
              /\ after = [to |-> after.to, number |-> 0, there |-> "hello", here |-> "greeting"]
              /\ \A r \in Streams : r < s => stream[p][r] # NoStream
              /\ \A r \in Streams \ {s} : stream[p][r].to = after.to => stream'[p][r].here = "gone"
         /\ before # NoStream => after.to = before.to
         /\ before.number # after.number => before.there = "hello" /\ after.there = "numbered"
         /\ before.there # after.there =>
              <<before.there, after.there>> \in
                {<<"none", "hello">>, <<"hello", "numbered">>, <<"numbered", "welcomed">>, <<"numbered", "ended">>, <<"welcomed", "ended">>}
         /\ before.there # "ended" /\ after.there = "ended" =>
              \E r \in Streams : IsCurrent(before.to, p, r)' /\ stream[p][r].number > before.number
         /\ before.here # after.here =>
              CASE after.here = "greeting" -> before.here = "none"
                [] after.here = "welcomed" ->
                     before.here = "greeting" /\ IsCurrent(after.to, p, s) /\ seen'[p] = <<Epoch(after.to), after.to>>
                [] after.here = "refused" -> before.here = "greeting" /\ ~GoesOn(seen[p], coord[after.to].claims)
                [] OTHER -> crashes' > crashes \/ \E r \in Streams : isNewer(r)]_vars

\* A transaction is begun once, by a process that goes on from there: it counts votes while it prepares, and commits.  Another
\* one takes up what the log has, or, if it is asked and the log has nothing, presumes; both only as its owner.
TransactionGoesOn ==
  [][/\ \A t \in Transactions : begun'[t] # begun[t] =>
          begun[t] = 0 /\ Up(begun'[t]) /\ coord'[begun'[t]].tx[t] = [NewTx EXCEPT !.phase = "preparing"]
     /\ \A i \in Runs, t \in Transactions :
          LET before == coord[i].tx[t]
              after == coord'[i].tx[t]
          IN
          before # after /\ coord'[i].phase = "up" =>
            /\ Up(i)
            /\ CASE before.phase \in {"none", "presumed"} /\ after.phase = "preparing" -> begun[t] = 0 /\ begun'[t] = i
                 [] <<before.phase, after.phase>> = <<"preparing", "preparing">> ->
                      /\ before.yes \subseteq after.yes /\ before.ro \subseteq after.ro
                      /\ before.yes \cup before.ro # Participants
                 [] <<before.phase, after.phase>> = <<"preparing", "committing">> -> Owns(i)
                 [] <<before.phase, after.phase>> = <<"none", "committing">> -> Owns(i) /\ log[t].rec = "commit"
                 [] <<before.phase, after.phase>> = <<"none", "read">> ->
                      /\ log[t].rec = "none"
                      /\ \E p \in Participants, s \in Streams : IsCurrent(i, p, s) /\ InDoubt(p, t)
                 [] <<before.phase, after.phase>> = <<"read", "presumed">> -> Owns(i)
                 [] <<before.phase, after.phase>> = <<"none", "presumed">> -> "early" \in May /\ begun[t] = 0 /\ Owns(i)
                 [] OTHER -> FALSE]_vars

\* A participant works for a coordinator that it has welcomed, that is up and not older than what it knows of, and that asks for it;
\* it votes at the same time, in that session, and says nothing else.  A crash takes what is not durable from one participant: its
\* streams, and that it had nothing to undo.
ParticipantGoesOn ==
  [][/\ \A p \in Participants, t \in Transactions :
          LET asks(phase) == \E s \in Streams : Hears(p, t, s) /\ Phase(stream[p][s].to, t) = phase IN
          part'[p][t] # part[p][t] =>
            CASE <<part[p][t], part'[p][t]>> \in {<<"working", "prepared">>, <<"working", "readonly">>} -> asks("preparing")
              [] <<part[p][t], part'[p][t]>> = <<"prepared", "committed">> -> asks("committing")
              [] <<part[p][t], part'[p][t]>> = <<"prepared", "aborted">> -> asks("presumed")
              [] <<part[p][t], part'[p][t]>> = <<"readonly", "working">> -> crashes' > crashes
              [] OTHER -> FALSE
     /\ net \subseteq net'
     /\ \A said \in net' \ net :
          LET p == said[2]
              t == said[3]
              i == stream[p][said[4]].to
          IN
          /\ Hears(p, t, said[4]) /\ Phase(i, t) = "preparing" /\ p \notin coord[i].tx[t].yes \cup coord[i].tx[t].ro
          /\ IF said[1] = "yes" THEN part'[p][t] = "prepared" /\ owner'[p][t] = Epoch(i)
             ELSE part'[p][t] = "readonly" /\ "readonly" \in May
     /\ \A p \in Participants, t \in Transactions : owner'[p][t] # owner[p][t] => \E said \in net' : said[1] = "yes" /\ said[2] = p /\ said[3] = t
     /\ crashes' # crashes =>
          \E p \in Participants :
            /\ \A s \in Streams : stream'[p][s].here \in {"none", "gone"} /\ (stream[p][s] = NoStream => stream'[p][s] = NoStream)
            /\ \A t \in Transactions : part'[p][t] # "readonly"
            /\ \A q \in Participants \ {p} : stream'[q] = stream[q] /\ part'[q] = part[q]]_vars

\* A participant believes exactly those in whose log it finds, at its place, the claim that it has seen last.
BelievedTruly ==
  [][\A p \in Participants, s \in Streams :
       stream[p][s].here = "greeting" /\ stream'[p][s].here \in {"welcomed", "refused"} =>
         LET list == coord[stream[p][s].to].claims IN
         (stream'[p][s].here = "welcomed") <=> (\E k \in DOMAIN list : <<k, list[k]>> = seen[p])]_vars

\* Both ends hear each other in a session of theirs: a coordinator counts what was said to it, and answers who asks it; a participant
\* does nothing for one that is older than the newest that it has seen; and a session ends for a newer one with the same process.
HeardTruly ==
  [][\A p \in Participants :
       LET with(i) == {s \in Streams : stream[p][s].to = i /\ stream[p][s].there = "welcomed"} IN
       /\ \A i \in Runs, t \in Transactions : coord'[i].phase = "up" =>
            /\ Phase(i, t) = "preparing" /\ p \in coord'[i].tx[t].yes \ coord[i].tx[t].yes =>
                 \E s \in with(i) : <<"yes", p, t, s>> \in net
            /\ Phase(i, t) = "none" /\ coord'[i].tx[t].phase = "read" =>
                 \E q \in Participants, s \in Streams : stream[q][s].to = i /\ stream[q][s].there = "welcomed" /\ InDoubt(q, t)
       /\ \A t \in Transactions : crashes' = crashes /\ part'[p][t] # part[p][t] =>
            \E s \in Streams :
              /\ stream[p][s].here = "welcomed"
              /\ Len(coord[stream[p][s].to].claims) >= seen[p][1]
              /\ Phase(stream[p][s].to, t) \in {"preparing", "committing", "presumed"}
       /\ \A s \in Streams : stream[p][s].there = "welcomed" /\ stream'[p][s].there = "ended" =>
            \E r \in Streams : stream[p][r].to = stream[p][s].to /\ stream'[p][r].there = "welcomed" /\ stream[p][r].number > stream[p][s].number]_vars

-----------------------------------------------------------------------------
(* Refinement: a transaction solves the problem, whatever happens in the others.  Not for a log that is put back. *)

\* One for all: nothing here tells them apart.
Chosen == CHOOSE t \in Transactions : TRUE

Decided == log[Chosen].rec = "commit" \/ SomeoneCommitted(Chosen)

Abstract == INSTANCE AtomicCommit WITH
  state <- [p \in Participants |->
              IF part[p][Chosen] \in {"prepared", "committed", "aborted"} THEN part[p][Chosen]
              ELSE IF Decided THEN "readonly" ELSE "working"]

Refinement == Abstract!Spec

-----------------------------------------------------------------------------
(* Witnesses: each is an invariant that must be violated, for the state it excludes can be reached. *)

\* A coordinator that was replaced is asked about a transaction that its successor has begun.
NeverAskedOfSuccessors ==
  ~(\E i, j \in Runs, t \in Transactions :
      /\ Up(i) /\ ~Owns(i) /\ Phase(i, t) = "read"
      /\ Owns(j) /\ Phase(j, t) = "preparing")
NeverBothCommitted == ~(\A t \in Transactions : SomeoneCommitted(t))
NeverOneOfEach == ~(\E t, u \in Transactions : SomeoneCommitted(t) /\ \E p \in Participants : part[p][u] = "aborted")
NeverNewerHelloFirst ==
  ~(\E p \in Participants : \E s, r \in Streams :
      /\ stream[p][s].there = "numbered" /\ stream[p][r].there = "welcomed"
      /\ stream[p][s].to = stream[p][r].to /\ stream[p][s].number < stream[p][r].number)
\* One that was replaced finds out, and stops: when it would write, take up or answer.
NeverFirstStopped == coord[1].phase # "dead"
NeverSecondStopped == coord[2].phase # "dead"
NeverStoppedAnswering ==
  ~(\E i \in Runs, t \in Transactions : coord[i].phase = "dead" /\ begun[t] > i /\ \E p \in Participants : InDoubt(p, t))
\* What one has begun, another has taken up.
NeverTakenUp == \A i \in Runs, t \in Transactions : ~(Phase(i, t) = "committing" /\ begun[t] # i)
\* A participant in doubt hears from the next process.
NeverCommittedByNext == \A p \in Participants, t \in Transactions : ~(part[p][t] = "committed" /\ Up(2) /\ seen[p][1] = 2)
NeverAborted == \A p \in Participants, t \in Transactions : part[p][t] # "aborted"
NeverPresumedEarly == \A i \in Runs, t \in Transactions : ~(Phase(i, t) = "presumed" /\ begun[t] = 0)
\* A vote, and that there is nothing to undo, is said again in the next session.
NeverVotedAgain == \A p \in Participants, t \in Transactions : ~(\A s \in {1, 2} : <<"yes", p, t, s>> \in net)
NeverReadOnlyAgain == \A p \in Participants, t \in Transactions : crashes > 0 \/ ~(\A s \in {1, 2} : <<"readonly", p, t, s>> \in net)
NeverReadOnlyCounted == \A i \in Runs, t \in Transactions : coord[i].tx[t].ro = {}
\* After the log was put back, a process with another number than its epoch is heard.
NeverOtherNumberHeard ==
  \A p \in Participants, t \in Transactions : ~(owner[p][t] = seen[p][1] /\ seen[p][1] # seen[p][2])
NeverOlderLogRefused == ~(\E p \in Participants, s \in Streams : stream[p][s].here = "refused" /\ Len(copy) = 1)
=============================================================================
