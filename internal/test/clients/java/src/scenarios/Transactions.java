package scenarios;

import java.util.ArrayList;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.client.producer.TransactionSendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageDecoder;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * Transactions: commit, rollback, and checks by the broker. The tests' settings check every three
 * seconds what is older than one second, three times.
 */
final class Transactions {
    private Transactions() {}

    /** A listener that says what it is told to, and remembers what it was asked. */
    private static final class Listener implements TransactionListener {
        final Map<String, LocalTransactionState> executed = new ConcurrentHashMap<>();
        final ConcurrentLinkedQueue<MessageExt> checked = new ConcurrentLinkedQueue<>();
        volatile Function<MessageExt, LocalTransactionState> check = m -> LocalTransactionState.UNKNOW;

        @Override
        public LocalTransactionState executeLocalTransaction(Message m, Object arg) {
            executed.put(m.getTransactionId(), (LocalTransactionState) arg);
            return (LocalTransactionState) arg;
        }

        @Override
        public LocalTransactionState checkLocalTransaction(MessageExt m) {
            checked.add(m);
            return check.apply(m);
        }

        int checks(String body) {
            return (int) checked.stream().filter(m -> Inbox.body(m).equals(body)).count();
        }
    }

    private static TransactionMQProducer producer(Case c, Listener listener) throws Exception {
        TransactionMQProducer producer = new TransactionMQProducer(c.group("_p"), Case.SIGNED);
        producer.setTransactionListener(listener);
        c.start(producer);
        return producer;
    }

    private static TransactionSendResult send(Case c, TransactionMQProducer p, Message m, LocalTransactionState state) throws Exception {
        TransactionSendResult r = p.sendMessageInTransaction(m, state);
        Check.same(r.getSendStatus(), SendStatus.SEND_OK, "status");
        Check.same(r.getLocalTransactionState(), state, "state");
        return r;
    }

    static void commit(Case c) throws Exception {
        c.createTopic(c.topic(), 4);
        Listener listener = new Listener();
        TransactionMQProducer p = producer(c, listener);
        Inbox inbox = new Inbox();
        c.consume(c.group(), c.topic(), inbox);
        Message m = new Message(c.topic(), "tag", "key1 key2", 7, "yes".getBytes(), true);
        m.putUserProperty("k", "v");
        TransactionSendResult r = send(c, p, m, LocalTransactionState.COMMIT_MESSAGE);
        Check.same(r.getMessageQueue().getTopic(), c.topic(), "topic of the result");
        Check.same(r.getTransactionId(), r.getMsgId(), "transaction id");
        Check.same(r.getMsgId(), m.getProperty("UNIQ_KEY"), "msgId");
        Check.same(listener.executed.keySet(), Set.of(r.getTransactionId()), "transactions executed");
        send(c, p, Case.message(c.topic(), "no"), LocalTransactionState.ROLLBACK_MESSAGE);
        inbox.awaitExactly(Set.of("yes"), 20);
        MessageExt got = inbox.all().get(0);
        Check.same(got.getTopic(), c.topic(), "topic");
        Check.same(got.getQueueId(), r.getMessageQueue().getQueueId(), "queue");
        Check.same(got.getQueueOffset(), 0L, "offset");
        Check.same(got.getFlag(), 7, "flag");
        Check.same(got.getSysFlag(), 8, "system flag");
        Check.same(got.getMsgId(), r.getMsgId(), "id");
        Check.same(got.getTransactionId(), r.getMsgId(), "transaction id of the message");
        Check.that(got.getPreparedTransactionOffset() > 0 || got.getCommitLogOffset() > 0, "positions");
        Check.that(got.getPreparedTransactionOffset() < got.getCommitLogOffset(), "prepared at %d, committed at %d", got.getPreparedTransactionOffset(), got.getCommitLogOffset());
        Map<String, String> want = new TreeMap<>(Map.of("TAGS", "tag", "KEYS", "key1 key2", "WAIT", "true", "k", "v", "UNIQ_KEY", r.getMsgId(),
                "PGROUP", c.group("_p"), "TRAN_MSG", "true", "__transactionId__", r.getMsgId(), "CLUSTER", "DefaultCluster", "MSG_REGION", "DefaultRegion"));
        want.put("TRACE_ON", "true");
        Check.same(properties(got), want, "properties");
        Thread.sleep(5000); // two rounds of checks
        Check.same(listener.checked.size(), 0, "checks of what was ended");
        Check.same(inbox.size(), 1, "messages delivered");
    }

    /** The properties but for those that differ from pull to pull. */
    private static Map<String, String> properties(MessageExt m) {
        Map<String, String> all = new TreeMap<>(m.getProperties());
        all.keySet().removeAll(Set.of("MIN_OFFSET", "MAX_OFFSET", "CONSUME_START_TIME", "INSTANCE_ID"));
        return all;
    }

    /** The producer that sent is gone; another of its group answers. */
    static void otherProducer(Case c) throws Exception {
        c.createTopic(c.topic(), 4);
        TransactionMQProducer first = producer(c, new Listener());
        Inbox inbox = new Inbox();
        c.consume(c.group(), c.topic(), inbox);
        send(c, first, Case.message(c.topic(), "orphan"), LocalTransactionState.UNKNOW);
        first.shutdown();
        Listener listener = new Listener();
        listener.check = m -> Inbox.body(m).equals("orphan") ? LocalTransactionState.COMMIT_MESSAGE : LocalTransactionState.ROLLBACK_MESSAGE;
        // With the first message the producer's heartbeats find the broker.
        send(c, producer(c, listener), Case.message(c.topic(), "other"), LocalTransactionState.ROLLBACK_MESSAGE);
        inbox.awaitExactly(Set.of("orphan"), 30);
        Check.same(listener.checks("orphan"), 1, "checks");
    }

    /** After three checks the broker asks no more; its producer may still commit. */
    static void givenUp(Case c) throws Exception {
        c.createTopic(c.topic(), 4);
        Listener listener = new Listener();
        TransactionMQProducer p = producer(c, listener);
        Inbox inbox = new Inbox();
        c.consume(c.group(), c.topic(), inbox);
        Message m = Case.message(c.topic(), "late");
        TransactionSendResult r = send(c, p, m, LocalTransactionState.UNKNOW);
        Check.eventually(30, "three checks", () -> listener.checks("late") == 3);
        Thread.sleep(7000);
        Check.same(listener.checks("late"), 3, "checks");
        Check.same(inbox.size(), 0, "messages delivered");
        MessageExt asked = listener.checked.peek();
        Check.same(asked.getTopic(), c.topic(), "topic when asked");
        Check.same(asked.getQueueId(), r.getMessageQueue().getQueueId(), "queue when asked");
        Check.same(asked.getTransactionId(), r.getTransactionId(), "transaction id when asked");
        Check.same(asked.getProperty("TRANSACTION_CHECK_TIMES"), "1", "count of checks when asked");
        Check.same(asked.getProperty("PGROUP"), c.group("_p"), "group when asked");
        MessageExt half = new ArrayList<>(listener.checked).get(2); // the original stores it once more for every check
        r.setQueueOffset(half.getQueueOffset());
        r.setOffsetMsgId(MessageDecoder.createMessageId(half.getStoreHost(), half.getCommitLogOffset()));
        endTransaction(p, m, r, LocalTransactionState.COMMIT_MESSAGE);
        inbox.awaitExactly(Set.of("late"), 20);
    }

    /** An operator has the broker ask again about what it gave up. */
    static void resumed(Case c) throws Exception {
        c.createTopic(c.topic(), 4);
        Listener listener = new Listener();
        TransactionMQProducer p = producer(c, listener);
        Inbox inbox = new Inbox();
        c.consume(c.group(), c.topic(), inbox);
        TransactionSendResult r = send(c, p, Case.message(c.topic(), "revived"), LocalTransactionState.UNKNOW);
        DefaultMQPullConsumer puller = c.puller(c.group("_given_up"));
        AtomicReference<MessageExt> copy = new AtomicReference<>();
        Check.eventually(40, "a copy among what was given up", () -> {
            Case.read(puller, "TRANS_CHECK_MAX_TIME_TOPIC").stream().filter(m -> m.getMsgId().equals(r.getMsgId())).forEach(copy::set);
            return copy.get() != null;
        });
        Check.same(copy.get().getProperty("TRANSACTION_CHECK_TIMES"), "3", "count of checks");
        Check.same(copy.get().getProperty("REAL_TOPIC"), c.topic(), "topic of the copy");
        listener.check = m -> LocalTransactionState.COMMIT_MESSAGE;
        String id = MessageDecoder.createMessageId(copy.get().getStoreHost(), copy.get().getCommitLogOffset());
        c.admin().resumeCheckHalfMessage("TRANS_CHECK_MAX_TIME_TOPIC", id);
        inbox.awaitExactly(Set.of("revived"), 30);
    }

    /** The method has another signature in each version of the client. */
    private static void endTransaction(TransactionMQProducer p, Message m, TransactionSendResult r, LocalTransactionState state) throws Exception {
        Object impl = p.getDefaultMQProducerImpl();
        for (var method : impl.getClass().getMethods()) {
            if (method.getName().equals("endTransaction")) {
                method.invoke(impl, method.getParameterCount() == 4 ? new Object[] {m, r, state, null} : new Object[] {r, state, null});
                return;
            }
        }
        throw new AssertionError("no method endTransaction");
    }

    /** A message that asks for a rest of its own is not checked before. */
    static void rest(Case c) throws Exception {
        c.createTopic(c.topic(), 4);
        Listener listener = new Listener();
        listener.check = m -> LocalTransactionState.COMMIT_MESSAGE;
        TransactionMQProducer p = producer(c, listener);
        Inbox inbox = new Inbox();
        c.consume(c.group(), c.topic(), inbox);
        Message m = Case.message(c.topic(), "patient");
        m.putUserProperty("CHECK_IMMUNITY_TIME_IN_SECONDS", "8");
        long sent = System.currentTimeMillis();
        TransactionSendResult r = send(c, p, m, LocalTransactionState.UNKNOW);
        inbox.awaitExactly(Set.of("patient"), 40);
        long waited = inbox.all().get(0).getStoreTimestamp() - sent;
        Check.that(waited >= 7900, "was checked and committed after %d ms, want 8000 or more", waited);
        Check.same(listener.checks("patient"), 1, "checks");
        Check.same(inbox.all().get(0).getMsgId(), r.getMsgId(), "id");
    }

    /** What was pending when the broker was killed is asked about when it is back. */
    static void restart(Case c) throws Exception {
        c.createTopic(c.topic(), 4);
        Listener listener = new Listener();
        TransactionMQProducer p = producer(c, listener);
        Inbox inbox = new Inbox();
        c.consume(c.group(), c.topic(), inbox);
        Set<String> committed = new TreeSet<>();
        for (int i = 0; i < 90; i++) {
            String body = String.format("%s-%02d", i % 3 == 0 ? "commit" : i % 3 == 1 ? "rollback" : "pending", i);
            send(c, p, Case.message(c.topic(), body),
                    i % 3 == 0 ? LocalTransactionState.COMMIT_MESSAGE : i % 3 == 1 ? LocalTransactionState.ROLLBACK_MESSAGE : LocalTransactionState.UNKNOW);
            if (i % 3 == 0) {
                committed.add(body);
            }
        }
        inbox.await(committed, 20);
        c.ask("restart", 180);
        listener.check = m -> Inbox.body(m).startsWith("pending") ? LocalTransactionState.COMMIT_MESSAGE : LocalTransactionState.UNKNOW;
        for (int i = 2; i < 90; i += 3) {
            committed.add(String.format("pending-%02d", i));
        }
        inbox.await(committed, 100);
        Thread.sleep(4000);
        Check.same(inbox.distinct(), committed, "received bodies");
        c.note((inbox.size() - committed.size()) + " delivered again; asked " + listener.checked.size() + " times");
    }
}
