package concord.client;

import io.grpc.CallCredentials;
import io.grpc.Metadata;
import io.grpc.SecurityLevel;
import io.grpc.Status;
import java.util.concurrent.Executor;
import java.util.function.Supplier;

/**
 * Proves who calls, over TLS: {@code CompositeChannelCredentials.create(tls, new Token(…))}. The supplier is asked before each call and each session, so
 * that who renews tokens can write them anew where it reads them.
 */
public final class Token extends CallCredentials {
    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

    private final Supplier<String> token;

    public Token(Supplier<String> token) {
        this.token = token;
    }

    @Override
    public void applyRequestMetadata(RequestInfo call, Executor executor, MetadataApplier applier) {
        if (call.getSecurityLevel() != SecurityLevel.PRIVACY_AND_INTEGRITY) {
            applier.fail(Status.UNAUTHENTICATED.withDescription("a token is sent over TLS only"));
            return;
        }
        executor.execute(() -> {
            try {
                var headers = new Metadata();
                headers.put(AUTHORIZATION, "Bearer " + token.get());
                applier.apply(headers);
            } catch (RuntimeException error) {
                applier.fail(Status.UNAUTHENTICATED.withDescription("there is no token").withCause(error));
            }
        });
    }
}
