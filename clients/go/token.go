package concord

import (
	"context"

	"google.golang.org/grpc/credentials"
)

// Token proves who calls, over TLS: an option of Dial, and of a participant's, in `grpc.WithPerRPCCredentials`. It is asked before each call and each
// session, so that who renews tokens can write them anew where it reads them.
type Token func() (string, error)

var _ credentials.PerRPCCredentials = Token(nil)

// GetRequestMetadata is for gRPC.
func (t Token) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	token, err := t()
	if err != nil {
		return nil, err
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}

// RequireTransportSecurity keeps it from everybody on the way.
func (Token) RequireTransportSecurity() bool { return true }
