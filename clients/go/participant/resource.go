package participant

import (
	"context"
	"database/sql"
	"errors"
)

// ReadOnly is returned by Prepare if nothing was changed, and the outcome does not matter here.
var ReadOnly = errors.New("read-only")

// Refused is returned by Prepare to vote to abort, with a reason that reaches the client.
type Refused string

func (r Refused) Error() string { return string(r) }

// Resource is what the owner of a participant writes: three functions over the database that also holds the log. Each runs within a transaction
// of SQLite that also writes the log, and does not end it. So what it writes is there exactly if the log says so, and each is called once for a
// transaction, except that one which failed is called again.
type Resource interface {
	// Prepare holds what the work needs against everybody else. Nil is a promise. To refuse, it returns Refused, whose text reaches the
	// client; any other error than ReadOnly is an abort, too, and stays in the participant's log. What it wrote is undone unless it returns nil. The context ends with the time to vote.
	Prepare(ctx context.Context, tx *sql.Tx, transactionID string, payload []byte) error

	// Commit does what was promised. It must succeed in the end: if it fails, it is called again, for ever.
	Commit(ctx context.Context, tx *sql.Tx, transactionID string, payload []byte) error

	// Abort lets go of what Prepare holds. It is called only where that has returned nil.
	Abort(ctx context.Context, tx *sql.Tx, transactionID string, payload []byte) error
}
