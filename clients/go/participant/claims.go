package participant

import (
	"slices"

	commitv1 "concord/clients/go/gen/concord/commit/v1"
)

// claim is that of a process on a decision log: the zero value is none.
type claim struct {
	epoch uint64
	id    string
}

// goesOnFrom tells whether the decision log behind a Welcome goes on from what was seen of it, as the comment of Participate says. If not, it was
// restored from an older copy, or is another one: it has forgotten what it decided.
func goesOnFrom(seen claim, claims []*commitv1.Claim) bool {
	if seen == (claim{}) {
		return true
	}
	for _, each := range claims {
		if each.Epoch == seen.epoch {
			return each.Id == seen.id
		}
	}
	isOlder := func(each *commitv1.Claim) bool { return each.Epoch < seen.epoch }
	return len(claims) > 0 && !slices.ContainsFunc(claims, isOlder)
}
