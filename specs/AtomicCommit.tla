---------------------------- MODULE AtomicCommit ----------------------------
(***************************************************************************)
(* The problem that a commit protocol solves, without messages, logs or    *)
(* failures: participants vote, and all that are bound by the outcome get  *)
(* the same one.  It is the module TCommit of J. Gray and L. Lamport,      *)
(* "Consensus on Transaction Commit", ACM TODS 31(1), 2006, section 2,     *)
(* with read-only votes and a lone participant that votes and commits in   *)
(* one step.  TwoPhaseCommit and AtomicTransition implement this module.   *)
(***************************************************************************)
CONSTANT Participants
VARIABLE state

States == {"working", "prepared", "readonly", "committed", "aborted"}

TypeOK == state \in [Participants -> States]

Init == state = [p \in Participants |-> "working"]

Prepare(p) ==
  /\ state[p] = "working"
  /\ state' = [state EXCEPT ![p] = "prepared"]

\* Participants with nothing to undo leave before the outcome, several at once if they like.
Leave(S) ==
  /\ \A p \in S : state[p] = "working"
  /\ state' = [p \in Participants |-> IF p \in S THEN "readonly" ELSE state[p]]

\* Everyone has voted, and no vote was no.
MayCommit == \A p \in Participants : state[p] \in {"prepared", "readonly", "committed"}

Commit(p) ==
  /\ state[p] = "prepared"
  /\ MayCommit
  /\ state' = [state EXCEPT ![p] = "committed"]

\* A lone participant needs no one's vote but its own.
CommitAlone(p) ==
  /\ Participants = {p}
  /\ state[p] = "working"
  /\ state' = [state EXCEPT ![p] = "committed"]

Abort(p) ==
  /\ state[p] \in {"working", "prepared"}
  /\ \A q \in Participants : state[q] # "committed"
  /\ state' = [state EXCEPT ![p] = "aborted"]

Next ==
  \/ \E S \in SUBSET Participants : S # {} /\ Leave(S)
  \/ \E p \in Participants : Prepare(p) \/ Commit(p) \/ CommitAlone(p) \/ Abort(p)

Spec == Init /\ [][Next]_state

-----------------------------------------------------------------------------
\* All that reach an outcome reach the same one.
Agreement == \A p, q \in Participants : ~(state[p] = "committed" /\ state[q] = "aborted")

\* One that has not voted, or voted no, is never overruled.
CommitValidity == (\E p \in Participants : state[p] = "committed") => MayCommit

\* Who has promised waits for the outcome.
PromiseKept ==
  [][\A p \in Participants : state[p] = "prepared" => state'[p] \in {"prepared", "committed", "aborted"}]_state

\* An outcome, once reached, stays.
Stability ==
  [][\A p \in Participants : state[p] \in {"readonly", "committed", "aborted"} => state'[p] = state[p]]_state

-----------------------------------------------------------------------------
(* Witnesses: each must be violated, for what it excludes can happen. *)

NeverAllCommitted == ~(\A p \in Participants : state[p] = "committed")
NeverCommitsWithReaders == ~(\E p, q \in Participants : state[p] = "committed" /\ state[q] = "readonly")
NeverPromiseAborted == [][\A p \in Participants : state[p] = "prepared" => state'[p] # "aborted"]_state
NeverCommitsAlone == [][\A p \in Participants : state[p] = "working" => state'[p] # "committed"]_state
=============================================================================
