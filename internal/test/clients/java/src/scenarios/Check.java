package scenarios;

import java.util.Objects;
import org.apache.rocketmq.client.exception.MQBrokerException;

/** Assertions. */
final class Check {
    private Check() {}

    static void that(boolean holds, String what, Object... args) {
        if (!holds) {
            throw new AssertionError(String.format(what, args));
        }
    }

    static void same(Object got, Object want, String what) {
        that(Objects.equals(got, want), "%s: got %s, want %s", what, got, want);
    }

    /** The call must be refused by the broker with this code and a remark. */
    static MQBrokerException refused(int code, Call call) throws Exception {
        try {
            call.run();
        } catch (MQBrokerException e) {
            same(e.getResponseCode(), code, "code of the refusal (" + e.getErrorMessage() + ")");
            that(e.getErrorMessage() != null && !e.getErrorMessage().isBlank(), "refusal %d has no remark", code);
            return e;
        } catch (Exception e) {
            if (e.getCause() instanceof MQBrokerException) {
                return refused(code, () -> {
                    throw (MQBrokerException) e.getCause();
                });
            }
            throw e;
        }
        throw new AssertionError("was accepted, want refusal " + code);
    }

    /** Something that may throw. */
    interface Call {
        void run() throws Exception;
    }

    /** A condition that may throw; then it does not hold yet. */
    interface Condition {
        boolean holds() throws Exception;
    }

    /** The condition must come true within some seconds. */
    static void eventually(int seconds, String what, Condition condition) throws Exception {
        long end = System.nanoTime() + seconds * 1_000_000_000L;
        Exception last = null;
        while (System.nanoTime() < end) {
            try {
                if (condition.holds()) {
                    return;
                }
                last = null;
            } catch (InterruptedException e) {
                throw e;
            } catch (Exception e) {
                last = e;
            }
            Thread.sleep(20);
        }
        throw new AssertionError("not within " + seconds + " s: " + what + (last == null ? "" : " (" + last + ")"));
    }
}
