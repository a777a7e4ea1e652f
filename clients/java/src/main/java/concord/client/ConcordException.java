package concord.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.PreconditionFailure;
import com.google.rpc.RetryInfo;
import concord.client.Advice.Outcome;
import concord.client.Advice.Retry;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** A failed call: its code, its reason, and what the table says about it. */
public final class ConcordException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final Status.Code code;
    private String reason = "";
    private Map<String, String> metadata = Map.of();
    private Duration retryAfter = Duration.ZERO;
    private final List<String> violations = new ArrayList<>();

    private ConcordException(StatusRuntimeException failure) {
        super(failure.getStatus().getDescription(), failure);
        code = failure.getStatus().getCode();
        var status = StatusProto.fromThrowable(failure);
        if (status == null) return;
        for (var detail : status.getDetailsList()) {
            try {
                read(detail);
            } catch (InvalidProtocolBufferException unreadable) {
                addSuppressed(unreadable);
            }
        }
    }

    /** Reads the details of a failure of gRPC. */
    public static ConcordException of(StatusRuntimeException failure) {
        return new ConcordException(failure);
    }

    private void read(Any detail) throws InvalidProtocolBufferException {
        if (detail.is(ErrorInfo.class)) {
            var info = detail.unpack(ErrorInfo.class);
            if (info.getDomain().equals("concord")) {
                reason = info.getReason();
                metadata = Map.copyOf(info.getMetadataMap());
            }
        } else if (detail.is(RetryInfo.class)) {
            var delay = detail.unpack(RetryInfo.class).getRetryDelay();
            retryAfter = Duration.ofSeconds(delay.getSeconds(), delay.getNanos());
        } else if (detail.is(BadRequest.class)) {
            for (var each : detail.unpack(BadRequest.class).getFieldViolationsList()) {
                violations.add(each.getField() + ": " + each.getDescription());
            }
        } else if (detail.is(PreconditionFailure.class)) {
            for (var each : detail.unpack(PreconditionFailure.class).getViolationsList()) {
                violations.add(each.getSubject() + ": " + each.getDescription());
            }
        }
    }

    public Status.Code code() {
        return code;
    }

    /** Branch on it: a name of {@code concord.error.v1.ErrorReason}; it is empty if Concord has not answered. */
    public String reason() {
        return reason;
    }

    /** As the comment of the reason says. */
    public Map<String, String> metadata() {
        return metadata;
    }

    /** How long to wait before the same request; zero if the server does not say. */
    public Duration retryAfter() {
        return retryAfter;
    }

    /** The fields that are wrong, and rules and participants that refuse, each with why. */
    public List<String> violations() {
        return List.copyOf(violations);
    }

    /** The row of the table, or what its last lines say of a call without a reason. */
    public Advice advice() {
        if (reason.equals("VERSION_MISMATCH") && !retryAfter.isZero()) return new Advice(Outcome.NOT_DONE, Retry.SAME);
        if (!reason.isEmpty()) return Reasons.ADVICE.getOrDefault(reason, new Advice(Outcome.UNKNOWN, Retry.NO));
        return switch (code) {
            // UNKNOWN and INTERNAL: what libraries say of a connection that broke at the wrong moment, and of a stream that was reset.
            case UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED, UNKNOWN, INTERNAL -> new Advice(Outcome.UNKNOWN, Retry.SAME);
            case INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNIMPLEMENTED, UNAUTHENTICATED, PERMISSION_DENIED ->
                new Advice(Outcome.NOT_DONE, Retry.NO);
            default -> new Advice(Outcome.UNKNOWN, Retry.NO);
        };
    }

    /** Where the table says `same`, but for an abort: a participant may have said why it will not; its violations are to be looked at before. */
    boolean mayRepeat() {
        return advice().retry() == Retry.SAME && !reason.equals("TRANSACTION_ABORTED");
    }

    @Override
    public String getMessage() {
        return code + " / " + (reason.isEmpty() ? "-" : reason) + ": " + super.getMessage();
    }
}
