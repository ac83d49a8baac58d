package scenarios;

import java.util.function.Function;
import java.util.function.Predicate;

/** One of the two protocols, for what is said alike in both: one topic and a group. Its clients end with the scenario. */
interface Transport {
    Sender sender() throws Exception;

    /** A sender of transactions, which is asked about those that it left open. */
    Sender sender(Function<Letter, Verdict> check) throws Exception;

    /** A member of the group. Its listener says whether it is done with a message. */
    Member consume(Terms terms, Predicate<Letter> listener) throws Exception;

    /** Sends to the topic, and writes down the id that the message gets. */
    interface Sender {
        /** In a transaction if there is a verdict; it is ended unless that is OPEN. */
        void send(Letter m, Verdict verdict) throws Exception;

        default void send(Letter m) throws Exception {
            send(m, null);
        }
    }

    enum Verdict { COMMIT, ROLLBACK, OPEN }

    /** A member that leaves in peace has told how far it is. */
    interface Member {
        void leave() throws Exception;
    }

    /** What a group wants: all messages, or some, in no order, and how often it tries if the group does not say. */
    final class Terms {
        final String tags;
        final String sql;
        final boolean ordered;
        final int attempts;

        private Terms(String tags, String sql, boolean ordered, int attempts) {
            this.tags = tags;
            this.sql = sql;
            this.ordered = ordered;
            this.attempts = attempts;
        }

        static final Terms ALL = tags("*");

        static Terms tags(String expression) {
            return new Terms(expression, null, false, 17);
        }

        static Terms sql(String expression) {
            return new Terms(null, expression, false, 17);
        }

        Terms inOrder() {
            return new Terms(tags, sql, true, attempts);
        }

        Terms attempts(int count) {
            return new Terms(tags, sql, ordered, count);
        }
    }
}
