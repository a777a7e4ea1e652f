// Package connection is to one address of Concord.
package connection

import (
	"time"

	"concord/clients/go/internal/pause"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// New connects when it is needed. The options are heard after those that are always given.
func New(address string, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	// A server that was away for long is found again as soon as one that was not.
	again := backoff.Config{BaseDelay: pause.Shortest, Multiplier: 1.6, Jitter: 0.2, MaxDelay: pause.Longest}
	always := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		// None of those that the environment names for the web.
		grpc.WithNoProxy(),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: again, MinConnectTimeout: 20 * time.Second}),
		// A stream that is cut off silently is noticed.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second}),
	}
	return grpc.NewClient(address, append(always, options...)...)
}
