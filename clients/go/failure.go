package concord

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Failure is a failed call. Branch on Reason, a name of concord.error.v1.ErrorReason; it is empty if Concord has not answered.
type Failure struct {
	Code    codes.Code
	Message string
	Reason  string
	// Metadata is what the comment of the reason says.
	Metadata map[string]string
	// RetryAfter is how long to wait before the same request; 0 if the server does not say.
	RetryAfter time.Duration
	// Violations are the fields that are wrong, and rules and participants that refuse, each with why.
	Violations []string
	err        error
}

func (f *Failure) Error() string { return fmt.Sprintf("%s / %s: %s", f.Code, f.Reason, f.Message) }

// Unwrap has the error that gRPC has returned.
func (f *Failure) Unwrap() error { return f.err }

// Advice is the row of the table, or what its last lines say of a call without a reason.
func (f *Failure) Advice() Advice {
	if f.Reason == "VERSION_MISMATCH" && f.RetryAfter > 0 {
		return Advice{NotDone, RetrySame}
	}
	if f.Reason != "" {
		if advice, known := Reasons[f.Reason]; known {
			return advice
		}
		return Advice{Unknown, RetryNo}
	}
	switch f.Code {
	// Unknown and Internal: what some say of a connection that broke, and of a stream that was reset.
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Unknown, codes.Internal:
		return Advice{Unknown, RetrySame}
	case codes.InvalidArgument, codes.ResourceExhausted, codes.Unimplemented, codes.Unauthenticated, codes.PermissionDenied:
		return Advice{NotDone, RetryNo}
	default:
		return Advice{Unknown, RetryNo}
	}
}

// FailureOf reads the details of an error of gRPC.
func FailureOf(err error) *Failure {
	if failure, ok := errors.AsType[*Failure](err); ok {
		return failure
	}
	answer := status.Convert(err)
	failure := &Failure{Code: answer.Code(), Message: answer.Message(), err: err}
	for _, detail := range answer.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			if detail.Domain == "concord" {
				failure.Reason, failure.Metadata = detail.Reason, detail.Metadata
			}
		case *errdetails.RetryInfo:
			failure.RetryAfter = detail.RetryDelay.AsDuration()
		case *errdetails.BadRequest:
			for _, violation := range detail.FieldViolations {
				failure.Violations = append(failure.Violations, violation.Field+": "+violation.Description)
			}
		case *errdetails.PreconditionFailure:
			for _, violation := range detail.Violations {
				failure.Violations = append(failure.Violations, violation.Subject+": "+violation.Description)
			}
		}
	}
	return failure
}
