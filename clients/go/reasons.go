package concord

// Outcome says whether a change was made.
type Outcome string

// Retry says what to send next.
type Retry string

// Of a failed call.
const (
	NotDone Outcome = "not done"
	// Unknown: it may have happened, or may still happen. The same request with the same id settles it.
	Unknown Outcome = "unknown"

	// RetrySame is the same request with the same id.
	RetrySame Retry = "same"
	// RetryAnew is to look, and to ask for what is right then, with a new id.
	RetryAnew Retry = "anew"
	// RetryNo is nothing, before somebody has changed something.
	RetryNo Retry = "no"
)

// Advice is what is known after a failed call, and whether to try again.
type Advice struct {
	Outcome Outcome
	Retry   Retry
}

// Reasons is the table of docs/retries.md.
var Reasons = map[string]Advice{
	"INVALID_REQUEST":              {NotDone, RetryNo},
	"REQUEST_ID_REUSED":            {NotDone, RetryAnew},
	"WORKFLOW_NOT_FOUND":           {NotDone, RetryNo},
	"WORKFLOW_ALREADY_EXISTS":      {NotDone, RetryNo},
	"WORKFLOW_LIMIT_REACHED":       {NotDone, RetryNo},
	"TERMINAL_STATE":               {NotDone, RetryNo},
	"VERSION_MISMATCH":             {NotDone, RetryAnew},
	"IN_TRANSITION":                {NotDone, RetrySame},
	"PREDICATE_LOGIC_UNAVAILABLE":  {NotDone, RetrySame},
	"INVALID_TRANSITION":           {NotDone, RetryAnew},
	"RULE_DENIED":                  {NotDone, RetryAnew},
	"NOT_FAILED":                   {NotDone, RetryAnew},
	"TRANSACTION_ABORTED":          {NotDone, RetrySame},
	"REVISION_COMPACTED":           {NotDone, RetryAnew},
	"OVERLOADED":                   {NotDone, RetrySame},
	"STORAGE_UNAVAILABLE":          {Unknown, RetrySame},
	"RULE_NOT_FOUND":               {NotDone, RetryNo},
	"RULE_ALREADY_EXISTS":          {NotDone, RetryNo},
	"RULE_INVALID":                 {NotDone, RetryNo},
	"RULE_STATE":                   {NotDone, RetryAnew},
	"RULE_LIMIT_REACHED":           {NotDone, RetryNo},
	"TRANSACTION_NOT_FOUND":        {NotDone, RetryAnew},
	"COORDINATOR_UNAVAILABLE":      {Unknown, RetrySame},
	"COORDINATOR_FENCED":           {Unknown, RetrySame},
	"SESSION_SUPERSEDED":           {NotDone, RetrySame},
	"SESSION_TIMEOUT":              {NotDone, RetrySame},
	"PROTOCOL_VERSION":             {NotDone, RetryNo},
	"PROTOCOL_VIOLATION":           {NotDone, RetryNo},
	"SHUTTING_DOWN":                {Unknown, RetrySame},
	"OUTCOME_PENDING":              {Unknown, RetrySame},
	"INTERNAL":                     {Unknown, RetryNo},
	"TRANSACTION_STATE":            {NotDone, RetryAnew},
	"PARTICIPANT_ENLISTED":         {NotDone, RetryNo},
	"PARTICIPANT_LIMIT_REACHED":    {NotDone, RetryNo},
	"CHECKS_TOO_EXPENSIVE":         {NotDone, RetryNo},
	"MESSAGE_TOO_LARGE":            {NotDone, RetryNo},
	"UNREADABLE_CALL":              {NotDone, RetryNo},
	"PARTICIPANT_LAGS":             {NotDone, RetrySame},
	"PARTICIPANT_STATE":            {NotDone, RetryAnew},
	"REQUEST_INCOMPLETE":           {NotDone, RetrySame},
	"RULE_TESTS_FAILED":            {NotDone, RetryNo},
	"RULE_SET_ITEM_NOT_FOUND":      {NotDone, RetryNo},
	"REVISION_NOT_FOUND":           {NotDone, RetryNo},
	"REVISION_NOT_REACHED":         {NotDone, RetrySame},
	"RULE_VERSION_MISMATCH":        {NotDone, RetryAnew},
	"METADATA_INVALID":             {NotDone, RetryNo},
	"VERDICT_LOG_OFF":              {NotDone, RetryNo},
	"RECOVERY_TOO_EARLY":           {NotDone, RetrySame},
	"RECOVERIES_EXHAUSTED":         {NotDone, RetryNo},
	"POLICY_NOT_FOUND":             {NotDone, RetryNo},
	"POLICY_REVISION_MISMATCH":     {NotDone, RetryAnew},
	"POLICY_LIMIT_REACHED":         {NotDone, RetryNo},
	"DEADLINE_NOT_SET":             {NotDone, RetryAnew},
	"PAGE_TOKEN_EXPIRED":           {NotDone, RetryAnew},
	"WORKFLOW_PURGED":              {NotDone, RetryNo},
	"WORKFLOW_ID_RETIRED":          {NotDone, RetryNo},
	"BATCH_ABORTED":                {NotDone, RetryAnew},
	"BULK_OPERATION_NOT_FOUND":     {NotDone, RetryNo},
	"BULK_OPERATION_STATE":         {NotDone, RetryAnew},
	"BULK_OPERATION_LIMIT_REACHED": {NotDone, RetrySame},
	"SINK_NOT_FOUND":               {NotDone, RetryNo},
	"SINK_STATE":                   {NotDone, RetryAnew},
	"UNAUTHENTICATED":              {NotDone, RetryNo},
	"PERMISSION_DENIED":            {NotDone, RetryNo},
	"ISSUER_UNAVAILABLE":           {NotDone, RetrySame},
}
