package scenarios;

import java.util.Set;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Consumers that choose by message properties. */
final class Filtering {
    private static final int PARSE_FAILED = 23;

    private Filtering() {}

    /** Sends a message with the properties n and, if i is even, color. */
    private static String sendNumber(DefaultMQProducer producer, String topic, int i, MessageQueue to) throws Exception {
        String body = String.format("number-%03d", i);
        Message m = Case.message(topic, body);
        m.setTags("Tag" + (char) ('A' + i % 3));
        m.putUserProperty("n", String.valueOf(i));
        if (i % 2 == 0) {
            m.putUserProperty("color", i % 4 == 0 ? "red" : "it's blue");
        }
        if (to == null) {
            producer.send(m);
        } else {
            producer.send(m, to);
        }
        return body;
    }

    private static DefaultMQPushConsumer consume(Case c, String topic, String expression, Inbox inbox) throws Exception {
        DefaultMQPushConsumer consumer = c.consumer(c.group());
        consumer.subscribe(topic, MessageSelector.bySql(expression));
        consumer.registerMessageListener(inbox.listener());
        consumer.start();
        return consumer;
    }

    /** A parked pull must let the wrong message pass and wake for the right one. */
    static void wakes(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        DefaultMQProducer producer = c.producer();
        Inbox inbox = new Inbox();
        consume(c, c.topic(), "n > 100", inbox);
        Set<String> wanted = new TreeSet<>();
        wanted.add(sendNumber(producer, c.topic(), 101, null));
        inbox.awaitExactly(wanted, 30);
        Thread.sleep(1500); // the next pull is parked by now
        long slowest = 0;
        for (int i = 0; i < 10; i++) {
            sendNumber(producer, c.topic(), i, null);
            long from = System.nanoTime();
            wanted.add(sendNumber(producer, c.topic(), 200 + i, null));
            inbox.await(wanted, 20);
            slowest = Math.max(slowest, (System.nanoTime() - from) / 1_000_000);
        }
        c.note("slowest of 10: " + slowest + " ms");
        Check.that(slowest < 2000, "a parked consumer got its message after %d ms", slowest);
        inbox.awaitExactly(wanted, 10);
    }

    /** The client asks the broker at its start; a bad expression ends it there. */
    static void refused(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        for (String bad : new String[] {"n >", "n = 1 and", "n > 'x'", "n ! 1"}) {
            try {
                consume(c, c.topic(), bad, new Inbox());
            } catch (MQClientException e) {
                Check.same(e.getResponseCode(), PARSE_FAILED, "code for " + bad + " (" + e.getMessage() + ")");
                continue;
            }
            throw new AssertionError("was accepted: " + bad);
        }
    }

    /** An expression of almost 64 KiB is served. */
    static void large(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        StringBuilder text = new StringBuilder("n in ('x'");
        for (int i = 0; text.length() < (64 << 10) - 64; i++) {
            text.append(",'").append(100_000 + i).append('\'');
        }
        Inbox inbox = new Inbox();
        consume(c, c.topic(), text.append(",'7')").toString(), inbox);
        DefaultMQProducer producer = c.producer();
        for (int i = 0; i < 20; i++) {
            sendNumber(producer, c.topic(), i, null);
        }
        inbox.awaitExactly(Set.of("number-007"), 40);
    }

    static void litePull(Case c) throws Exception {
        c.createTopic(c.topic(), 2);
        DefaultMQProducer producer = c.producer();
        Set<String> wanted = new TreeSet<>();
        for (int i = 0; i < 30; i++) {
            String body = sendNumber(producer, c.topic(), i, null);
            if (i % 4 == 0) {
                wanted.add(body);
            }
        }
        DefaultLitePullConsumer consumer = c.client(new DefaultLitePullConsumer(c.group(), Case.SIGNED));
        consumer.setConsumeFromWhere(org.apache.rocketmq.common.consumer.ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(c.topic(), MessageSelector.bySql("color = 'red'"));
        consumer.start();
        try {
            Set<String> got = new TreeSet<>();
            Check.eventually(30, "all red messages", () -> {
                for (MessageExt m : consumer.poll(500)) {
                    got.add(new String(m.getBody()));
                }
                return got.containsAll(wanted);
            });
            Check.same(got, wanted, "messages");
        } finally {
            consumer.shutdown();
        }
    }

    /** Two members with different expressions: each gets what it asked for, from the queues it holds. */
    static void members(Case c) throws Exception {
        c.createTopic(c.topic(), 4);
        DefaultMQProducer producer = c.producer();
        Inbox small = new Inbox();
        Inbox large = new Inbox();
        DefaultMQPushConsumer a = consume(c, c.topic(), "n < 50", small);
        DefaultMQPushConsumer b = consume(c, c.topic(), "n >= 50", large);
        Check.eventually(40, "two members have two queues each",
            () -> Consuming.owned(a, c.topic()) == 2 && Consuming.owned(b, c.topic()) == 2);
        Thread.sleep(5000); // heartbeats of both, several times
        Set<String> forA = new TreeSet<>();
        Set<String> forB = new TreeSet<>();
        for (MessageQueue q : a.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet()) {
            if (q.getTopic().equals(c.topic())) {
                for (int i = 0; i < 100; i += 10) {
                    String body = sendNumber(producer, c.topic(), i + q.getQueueId(), q);
                    if (i < 50) {
                        forA.add(body);
                    }
                }
            }
        }
        for (MessageQueue q : b.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet()) {
            if (q.getTopic().equals(c.topic())) {
                for (int i = 0; i < 100; i += 10) {
                    String body = sendNumber(producer, c.topic(), i + q.getQueueId(), q);
                    if (i >= 50) {
                        forB.add(body);
                    }
                }
            }
        }
        small.awaitExactly(forA, 30);
        large.awaitExactly(forB, 30);
    }
}
