package participant

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	commitv1 "concord/clients/go/gen/concord/commit/v1"

	"google.golang.org/protobuf/types/known/durationpb"
)

// notes keeps one note for each transaction.
type notes struct{}

func (notes) Prepare(ctx context.Context, tx *sql.Tx, transactionID string, payload []byte) error {
	if _, err := tx.Exec("CREATE TABLE IF NOT EXISTS notes (tx TEXT PRIMARY KEY, kept INTEGER NOT NULL)"); err != nil {
		return err
	}
	if _, err := tx.Exec("INSERT INTO notes VALUES (?, 0)", transactionID); err != nil {
		return err
	}
	switch string(payload) {
	case "nothing":
		return ReadOnly
	case "a fault":
		return errors.New("a fault of notes, row 7")
	case "no":
		return fmt.Errorf("told: %w", Refused("not today"))
	case "too long":
		_, err := tx.ExecContext(ctx, "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) INSERT INTO notes SELECT i, 0 FROM n")
		return err
	default:
		return nil
	}
}

func (notes) Commit(_ context.Context, tx *sql.Tx, transactionID string, _ []byte) error {
	_, err := tx.Exec("UPDATE notes SET kept = 1 WHERE tx = ?", transactionID)
	return err
}

func (notes) Abort(_ context.Context, tx *sql.Tx, transactionID string, _ []byte) error {
	_, err := tx.Exec("DELETE FROM notes WHERE tx = ?", transactionID)
	return err
}

const (
	own   = "log-1"
	epoch = 4
)

type fixture struct {
	*steps
	t *testing.T
}

func newFixture(t *testing.T) fixture {
	log, err := openLog(filepath.Join(t.TempDir(), "a log?.sqlite"), "notes")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.close() })
	f := fixture{&steps{log, notes{}, slog.New(slog.DiscardHandler)}, t}
	f.transaction(func(tx *sql.Tx) error { return writeSeen(tx, own, claim{epoch, "claim"}) })
	return f
}

func (f fixture) transaction(write func(tx *sql.Tx) error) {
	f.t.Helper()
	if err := f.log.transaction(write); err != nil {
		f.t.Fatal(err)
	}
}

func (f fixture) execute(statement string) {
	f.t.Helper()
	f.transaction(func(tx *sql.Tx) error { _, err := tx.Exec(statement); return err })
}

func (f fixture) count(query string) (found int) {
	f.t.Helper()
	f.transaction(func(tx *sql.Tx) error { return tx.QueryRow(query).Scan(&found) })
	return found
}

func prepare(payload string, onePhase bool, within time.Duration) *commitv1.Prepare {
	return &commitv1.Prepare{
		TransactionId: "t", Attempt: 2, Payload: []byte(payload), OnePhase: onePhase, VoteWithin: durationpb.New(within), CoordinatorEpoch: epoch,
	}
}

func decision(outcome commitv1.Outcome) *commitv1.Decision {
	return &commitv1.Decision{TransactionId: "t", Outcome: outcome, CoordinatorEpoch: epoch}
}

var messages = map[string]any{
	"prepare":             prepare("a note", false, time.Minute),
	"late prepare":        prepare("a note", false, 0),
	"prepare alone":       prepare("a note", true, time.Minute),
	"late prepare alone":  prepare("a note", true, 0),
	"prepare nothing":     prepare("nothing", false, time.Minute),
	"prepare a fault":     prepare("a fault", false, time.Minute),
	"commit":              decision(commitv1.Outcome_OUTCOME_COMMITTED),
	"abort":               decision(commitv1.Outcome_OUTCOME_ABORTED),
	"decide what is not":  decision(9),
	"replaced: prepare":   &commitv1.Prepare{TransactionId: "t", VoteWithin: durationpb.New(time.Minute), CoordinatorEpoch: epoch - 1},
	"replaced: to abort":  &commitv1.Decision{TransactionId: "t", Outcome: commitv1.Outcome_OUTCOME_ABORTED, CoordinatorEpoch: epoch - 1},
	"replaced: to commit": &commitv1.Decision{TransactionId: "t", Outcome: commitv1.Outcome_OUTCOME_COMMITTED, CoordinatorEpoch: epoch - 1},
}

// Record, message: answer, record.
const table = `
none      | prepare             | vote COMMIT    | prepared
none      | late prepare        | vote ABORT     | refused
none      | prepare alone       | ack COMMITTED  | committed
none      | late prepare alone  | ack ABORTED    | aborted
none      | prepare nothing     | vote READ_ONLY | read-only
none      | prepare a fault     | vote ABORT     | refused
none      | commit              | ack LOST       | none
none      | abort               | ack ABORTED    | aborted
none      | replaced: prepare   | nack           | none
prepared  | prepare             | vote COMMIT    | prepared
prepared  | late prepare        | vote COMMIT    | prepared
prepared  | prepare alone       | ack COMMITTED  | committed
prepared  | commit              | ack COMMITTED  | committed
prepared  | abort               | ack ABORTED    | aborted
prepared  | decide what is not  | nack           | prepared
prepared  | replaced: prepare   | nack           | prepared
prepared  | replaced: to abort  | nack           | prepared
prepared  | replaced: to commit | nack           | prepared
committed | prepare             | nack           | committed
committed | prepare alone       | ack COMMITTED  | committed
committed | late prepare alone  | ack COMMITTED  | committed
committed | commit              | ack COMMITTED  | committed
committed | abort               | nack           | committed
aborted   | prepare             | vote ABORT     | aborted
aborted   | prepare alone       | ack ABORTED    | aborted
aborted   | commit              | nack           | aborted
aborted   | abort               | ack ABORTED    | aborted
refused   | prepare             | vote ABORT     | refused
refused   | prepare alone       | ack ABORTED    | aborted
refused   | commit              | ack LOST       | refused
refused   | abort               | ack ABORTED    | aborted
read-only | prepare             | vote READ_ONLY | read-only
read-only | prepare alone       | ack ABORTED    | aborted
read-only | commit              | ack LOST       | read-only
read-only | abort               | ack ABORTED    | aborted`

var waysTo = map[string][]string{
	"none": nil, "prepared": {"prepare"}, "committed": {"prepare", "commit"}, "aborted": {"prepare", "abort"}, "refused": {"prepare a fault"},
	"read-only": {"prepare nothing"},
}

func (f fixture) tell(message, coordinatorID string, isLeaving bool) string {
	f.t.Helper()
	var said answer
	var err error
	switch message := messages[message].(type) {
	case *commitv1.Prepare:
		said, err = f.steps.prepare(message, coordinatorID, isLeaving)
	case *commitv1.Decision:
		said, err = f.steps.decide(message, coordinatorID)
	}
	if _, is := errors.AsType[refusal](err); is {
		return "nack"
	}
	if err != nil {
		f.t.Fatal(err)
	}
	if vote := said.GetVote(); vote != nil {
		if vote.Attempt != 2 {
			f.t.Errorf("attempt %d", vote.Attempt)
		}
		return "vote " + strings.TrimPrefix(vote.Value.String(), "VOTE_VALUE_")
	}
	return "ack " + strings.TrimPrefix(said.GetDecisionAck().Outcome.String(), "OUTCOME_")
}

func (f fixture) bringTo(state string) {
	f.t.Helper()
	for _, message := range waysTo[state] {
		f.tell(message, own, false)
	}
}

func (f fixture) state() string {
	f.t.Helper()
	var found record
	f.transaction(func(tx *sql.Tx) (err error) { found, err = read(tx, "t"); return err })
	if found.state == none {
		return "none"
	}
	return string(found.state)
}

func TestEachRecordAndMessage(t *testing.T) {
	for _, line := range strings.Split(strings.TrimSpace(table), "\n") {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			cells := strings.Split(line, "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			f := newFixture(t)
			f.bringTo(cells[0])
			// It may come twice: the second answer is the first.
			for range 2 {
				if said, state := f.tell(cells[1], own, false), f.state(); said != cells[2] || state != cells[3] {
					t.Errorf("%s, then %s", said, state)
				}
			}
		})
	}
}

func TestAPromiseIsEndedByItsOwnCoordinatorOnly(t *testing.T) {
	f := newFixture(t)
	f.bringTo("prepared")
	for _, message := range []string{"prepare", "prepare alone", "commit", "abort"} {
		if said := f.tell(message, "log-2", false); said != "nack" || f.state() != "prepared" {
			t.Errorf("%s of a stranger: %s, then %s", message, said, f.state())
		}
	}
}

func TestWhoLeavesTakesNoNewWorkAndKeepsItsPromises(t *testing.T) {
	f := newFixture(t)
	if said := f.tell("prepare", own, true); said != "vote ABORT" {
		t.Error(said)
	}
	f.execute("DELETE FROM concord_transactions")
	f.bringTo("prepared")
	if said := f.tell("prepare", own, true); said != "vote COMMIT" {
		t.Error(said)
	}
}

func TestOnlyARefusalSaysWhyToTheClient(t *testing.T) {
	for payload, want := range map[string]string{
		"no":      "not today",
		"a fault": "prepare failed; the participant's log says why, at transaction t",
	} {
		f := newFixture(t)
		said, err := f.steps.prepare(prepare(payload, false, time.Minute), own, false)
		if err != nil || said.GetVote().GetReason() != want {
			t.Errorf("%s: %v %v", payload, said, err)
		}
	}
}

func TestWhatWasWrittenBeforeARefusalIsUndone(t *testing.T) {
	for _, state := range []string{"refused", "read-only"} {
		f := newFixture(t)
		f.bringTo(state)
		if f.count("SELECT COUNT(*) FROM sqlite_master WHERE name = 'notes'") != 0 {
			t.Errorf("%s, and its work is there", state)
		}
	}
}

func TestACommitThatFailsLeavesThePromise(t *testing.T) {
	f := newFixture(t)
	f.bringTo("prepared")
	f.execute("ALTER TABLE notes RENAME COLUMN kept TO gone")
	if _, err := f.decide(decision(commitv1.Outcome_OUTCOME_COMMITTED), own); err == nil || f.state() != "prepared" {
		t.Fatalf("%v, then %s", err, f.state())
	}
	f.execute("ALTER TABLE notes RENAME COLUMN gone TO kept")
	if said := f.tell("commit", own, false); said != "ack COMMITTED" {
		t.Error(said)
	}
}

func TestWorkThatIsCutOffByTheTimeToVotePromisesNothing(t *testing.T) {
	f := newFixture(t)
	said, err := f.steps.prepare(prepare("too long", false, 50*time.Millisecond), own, false)
	if err == nil && said.GetVote().GetValue() != commitv1.VoteValue_VOTE_VALUE_ABORT {
		t.Errorf("%v", said)
	}
	if f.state() == "prepared" || f.count("SELECT COUNT(*) FROM sqlite_master WHERE name = 'notes'") != 0 {
		t.Errorf("it is %s", f.state())
	}
	// The next one finds the log in order.
	f.execute("DELETE FROM concord_transactions")
	if said := f.tell("prepare", own, false); said != "vote COMMIT" {
		t.Error(said)
	}
}

func TestWhatEndedLongAgoIsForgottenAndPromisesStay(t *testing.T) {
	f := newFixture(t)
	keep := func(id string, as state, coordinatorID string) {
		f.transaction(func(tx *sql.Tx) error {
			return write(tx, record{transactionID: id, state: as, coordinatorID: coordinatorID})
		})
	}
	keep("a", committed, own)
	keep("b", prepared, own)
	keep("c", committed, "log-2")
	f.execute("UPDATE concord_transactions SET updated_at = 0")
	keep("d", committed, own)
	if err := f.log.forget(own); err != nil {
		t.Fatal(err)
	}
	if f.count("SELECT COUNT(*) FROM concord_transactions WHERE transaction_id IN ('b', 'c', 'd')") != 3 ||
		f.count("SELECT COUNT(*) FROM concord_transactions") != 3 {
		t.Error("the wrong ones are gone")
	}
}

func TestALogGoesOnFromTheClaimThatWasSeen(t *testing.T) {
	cases := []struct {
		seen   claim
		claims []claim
		goesOn bool
	}{
		{claim{}, []claim{{1, "a"}}, true},
		{claim{1, "a"}, []claim{{1, "a"}}, true},
		{claim{1, "a"}, []claim{{2, "b"}, {1, "a"}}, true},
		{claim{1, "a"}, []claim{{9, "z"}, {8, "y"}}, true},
		{claim{2, "b"}, []claim{{2, "x"}, {1, "a"}}, false},
		{claim{2, "b"}, []claim{{3, "c"}, {1, "a"}}, false},
		{claim{2, "b"}, []claim{{1, "a"}}, false},
		{claim{2, "b"}, nil, false},
	}
	for _, each := range cases {
		var listed []*commitv1.Claim
		for _, c := range each.claims {
			listed = append(listed, &commitv1.Claim{Epoch: c.epoch, Id: c.id})
		}
		if goesOnFrom(each.seen, listed) != each.goesOn {
			t.Errorf("%v", each)
		}
	}
}
