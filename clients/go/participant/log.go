package participant

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	// The driver "sqlite".
	_ "modernc.org/sqlite"
)

// Outcomes are kept at least so long.
const kept = 30 * 24 * time.Hour

const schema = `
CREATE TABLE IF NOT EXISTS concord_participant (participant_id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS concord_claims (coordinator_id TEXT PRIMARY KEY, epoch INTEGER NOT NULL, id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS concord_transactions (
  transaction_id TEXT PRIMARY KEY, state TEXT NOT NULL, coordinator_id TEXT NOT NULL, coordinator_epoch INTEGER NOT NULL,
  payload BLOB NOT NULL, reason TEXT NOT NULL, updated_at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS concord_transactions_state ON concord_transactions (state, updated_at);`

type state string

const (
	none      state = ""
	prepared  state = "prepared"
	committed state = "committed"
	aborted   state = "aborted"
	refused   state = "refused"
	readOnly  state = "read-only"
)

// record is of one transaction: the zero value is none.
type record struct {
	transactionID string
	state         state
	// Whose it is: only this coordinator may end it.
	coordinatorID    string
	coordinatorEpoch uint64
	// While it is prepared.
	payload []byte
	reason  string
}

func (r record) ended(as state) record {
	r.state, r.payload = as, nil
	return r
}

// log is what this participant has promised and how it ended, in the database of its resource. One process at a time has it.
type log struct {
	db   *sql.DB
	lock *os.File
}

func openLog(path, participantID string) (*log, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("%s is in use by another process: %w", path, err)
	}
	settings := url.Values{"_txlock": {"immediate"}, "_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(5000)"}}
	name := url.URL{Scheme: "file", Path: path, RawQuery: settings.Encode()}
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		lock.Close()
		return nil, err
	}
	// What is written is written one by one.
	db.SetMaxOpenConns(1)
	l := &log{db, lock}
	if err := l.claimFor(path, participantID); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

func (l *log) claimFor(path, participantID string) error {
	return l.transaction(func(tx *sql.Tx) error {
		if _, err := tx.Exec(schema); err != nil {
			return err
		}
		var owner string
		err := tx.QueryRow("SELECT participant_id FROM concord_participant").Scan(&owner)
		if errors.Is(err, sql.ErrNoRows) {
			_, err = tx.Exec("INSERT INTO concord_participant VALUES (?)", participantID)
			return err
		}
		if err == nil && owner != participantID {
			return fmt.Errorf("%s is the log of participant %q, not of %q", path, owner, participantID)
		}
		return err
	})
}

// transaction is one write, on disk when it has returned nil. If the disk fails, only the next read tells whether it is.
func (l *log) transaction(write func(tx *sql.Tx) error) error {
	tx, err := l.db.Begin()
	if err != nil {
		return err
	}
	// Of what is committed, this does nothing.
	defer tx.Rollback()
	if err := write(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// attempt undoes what `write` has written, and nothing else, if that fails. The first error is that of `write`; with the second, nothing of the
// transaction can be relied on.
func attempt(tx *sql.Tx, write func() error) (failure, err error) {
	if _, err := tx.Exec("SAVEPOINT attempt"); err != nil {
		return nil, err
	}
	if failure = write(); failure != nil {
		if _, err := tx.Exec("ROLLBACK TO attempt"); err != nil {
			return nil, errors.Join(failure, err)
		}
	}
	_, err = tx.Exec("RELEASE attempt")
	return failure, err
}

func read(tx *sql.Tx, transactionID string) (record, error) {
	r := record{transactionID: transactionID}
	var epoch int64
	err := tx.QueryRow(
		"SELECT state, coordinator_id, coordinator_epoch, payload, reason FROM concord_transactions WHERE transaction_id = ?",
		transactionID,
	).Scan(&r.state, &r.coordinatorID, &epoch, &r.payload, &r.reason)
	if errors.Is(err, sql.ErrNoRows) {
		return record{}, nil
	}
	r.coordinatorEpoch = uint64(epoch)
	return r, err
}

func write(tx *sql.Tx, r record) error {
	// A nil payload would be NULL.
	payload := append([]byte{}, r.payload...)
	_, err := tx.Exec(
		"INSERT OR REPLACE INTO concord_transactions VALUES (?, ?, ?, ?, ?, ?, ?)",
		r.transactionID, r.state, r.coordinatorID, int64(r.coordinatorEpoch), payload, r.reason, time.Now().Unix(),
	)
	return err
}

// forget drops what ended long ago, once this coordinator has had the time to ask about it.
func (l *log) forget(coordinatorID string) error {
	return l.transaction(func(tx *sql.Tx) error {
		_, err := tx.Exec(
			"DELETE FROM concord_transactions WHERE state <> ? AND coordinator_id = ? AND updated_at < ?",
			prepared, coordinatorID, time.Now().Add(-kept).Unix(),
		)
		return err
	})
}

// inDoubt has what is promised and not ended, oldest first.
func (l *log) inDoubt() ([]record, error) {
	rows, err := l.db.Query(
		"SELECT transaction_id, coordinator_id FROM concord_transactions WHERE state = ? ORDER BY updated_at", prepared,
	)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []record
	for rows.Next() {
		each := record{state: prepared}
		if err := rows.Scan(&each.transactionID, &each.coordinatorID); err != nil {
			return nil, err
		}
		found = append(found, each)
	}
	return found, rows.Err()
}

// seenOf is the claim with the newest epoch of this coordinator that was seen.
func seenOf(tx *sql.Tx, coordinatorID string) (claim, error) {
	var epoch int64
	var seen claim
	err := tx.QueryRow("SELECT epoch, id FROM concord_claims WHERE coordinator_id = ?", coordinatorID).Scan(&epoch, &seen.id)
	if errors.Is(err, sql.ErrNoRows) {
		return claim{}, nil
	}
	seen.epoch = uint64(epoch)
	return seen, err
}

func writeSeen(tx *sql.Tx, coordinatorID string, seen claim) error {
	_, err := tx.Exec("INSERT OR REPLACE INTO concord_claims VALUES (?, ?, ?)", coordinatorID, int64(seen.epoch), seen.id)
	return err
}

// close leaves the log to the next process.
func (l *log) close() error { return errors.Join(l.db.Close(), l.lock.Close()) }
