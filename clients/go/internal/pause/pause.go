// Package pause is how long to wait before another attempt.
package pause

import (
	"context"
	"math/rand/v2"
	"time"
)

// The first is up to Shortest; the longest one is Longest.
const (
	Shortest = 100 * time.Millisecond
	Longest  = 5 * time.Second
)

// Growing pauses are jittered, so that clients that failed together do not come back together. The zero value is the beginning.
type Growing struct{ longest time.Duration }

// Next is at least so long.
func (g *Growing) Next(atLeast time.Duration) time.Duration {
	g.longest = min(max(Shortest, 2*g.longest), Longest)
	return max(atLeast, g.longest/2+rand.N(g.longest/2))
}

// For waits. It ends earlier with the context, with its error.
func For(ctx context.Context, duration time.Duration) error {
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
