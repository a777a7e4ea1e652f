"""Whether the decision log behind a Welcome goes on from what was seen of it, as the comment of Participate says."""

from concord.commit.v1 import two_phase_commit_pb2


def goes_on_from(seen: tuple[int, str] | None, claims: list[two_phase_commit_pb2.Claim]) -> bool:
    """If not, it was restored from an older copy, or is another one: it has forgotten what it decided."""
    if seen is None:
        return True
    epoch, claim_id = seen
    for claim in claims:
        if claim.epoch == epoch:
            return claim.id == claim_id
    return len(claims) > 0 and all(claim.epoch > epoch for claim in claims)
