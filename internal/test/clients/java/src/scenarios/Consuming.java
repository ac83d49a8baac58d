package scenarios;

import java.util.HashSet;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Push consumers: filters, groups and their members. */
final class Consuming {
    private Consuming() {}

    private static String sendTagged(DefaultMQProducer producer, String topic, String tag, int i) throws Exception {
        Message m = Case.message(topic, tag + "-" + i);
        m.setTags(tag);
        producer.send(m);
        return tag + "-" + i;
    }

    /** "Aa" and "BB" have the same hash in Java, so only the client can tell them apart. */
    static void tagCollision(Case c) throws Exception {
        c.createTopic(c.topic(), 2);
        DefaultMQProducer producer = c.producer();
        Set<String> wanted = new TreeSet<>();
        for (int i = 0; i < 20; i++) {
            String body = sendTagged(producer, c.topic(), i % 2 == 0 ? "Aa" : "BB", i);
            if (i % 2 == 0) {
                wanted.add(body);
            }
        }
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = c.consumer(c.group());
        consumer.subscribe(c.topic(), "Aa");
        consumer.registerMessageListener(inbox.listener());
        consumer.start();
        inbox.awaitExactly(wanted, 30);
    }

    static void broadcasting(Case c) throws Exception {
        c.createTopic(c.topic(), 4);
        Inbox[] inboxes = {new Inbox(), new Inbox()};
        for (Inbox inbox : inboxes) {
            DefaultMQPushConsumer consumer = c.consumer(c.group());
            broadcast(consumer);
            consumer.subscribe(c.topic(), "*");
            consumer.registerMessageListener(inbox.listener());
            consumer.start();
        }
        Set<String> bodies = c.send(c.producer(), c.topic(), "all", 40);
        for (Inbox inbox : inboxes) {
            inbox.awaitExactly(bodies, 30);
        }
    }

    /** The type of the model moved between 4.9 and 5, so it is not named. */
    static void broadcast(DefaultMQPushConsumer consumer) {
        consumer.setMessageModel(Enum.valueOf(consumer.getMessageModel().getDeclaringClass(), "BROADCASTING"));
    }

    static void longPoll(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        DefaultMQProducer producer = c.producer();
        Inbox inbox = new Inbox();
        c.consume(c.group(), c.topic(), inbox);
        producer.send(Case.message(c.topic(), "first"));
        inbox.await(Set.of("first"), 30);
        Thread.sleep(1500); // the next pull is parked by now
        long slowest = 0;
        for (int i = 0; i < 10; i++) {
            long from = System.nanoTime();
            producer.send(Case.message(c.topic(), "wake-" + i));
            inbox.await(Set.of("wake-" + i), 10);
            slowest = Math.max(slowest, (System.nanoTime() - from) / 1_000_000);
        }
        c.note("slowest of 10: " + slowest + " ms");
        Check.that(slowest < 2000, "a parked consumer got its message after %d ms", slowest);
    }

    /** Clients commit without waiting for an answer, also when they stop or give a queue away. */
    static void commit(Case c, DefaultMQPushConsumer... consumers) throws Exception {
        var admin = c.admin();
        Check.eventually(20, "offsets committed", () -> {
            for (DefaultMQPushConsumer consumer : consumers) {
                consumer.getDefaultMQPushConsumerImpl().persistConsumerOffset();
            }
            return admin.examineConsumeStats(c.group(), c.topic()).computeTotalDiff() == 0;
        });
    }

    static int owned(DefaultMQPushConsumer consumer, String topic) {
        int n = 0;
        for (MessageQueue q : consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet()) {
            n += q.getTopic().equals(topic) ? 1 : 0;
        }
        return n;
    }

    static void rebalance(Case c) throws Exception {
        c.createTopic(c.topic(), 4);
        DefaultMQProducer producer = c.producer();
        Inbox a = new Inbox();
        Inbox b = new Inbox();
        DefaultMQPushConsumer first = c.consume(c.group(), c.topic(), a);
        Check.eventually(40, "one member has all queues", () -> owned(first, c.topic()) == 4);
        a.awaitExactly(c.send(producer, c.topic(), "alone", 20), 20);
        a.clear();
        commit(c, first);

        DefaultMQPushConsumer second = c.consume(c.group(), c.topic(), b);
        Check.eventually(40, "two members have two queues each", () -> owned(first, c.topic()) == 2 && owned(second, c.topic()) == 2);
        Set<String> shared = c.send(producer, c.topic(), "shared", 100);
        Check.eventually(30, "two members get everything between them", () -> {
            Set<String> union = new TreeSet<>(a.distinct());
            union.addAll(b.distinct());
            return union.equals(shared);
        });
        Check.same(a.size() + b.size(), 100, "deliveries");
        Set<Integer> queues = new HashSet<>();
        a.all().forEach(m -> queues.add(m.getQueueId()));
        for (MessageExt m : b.all()) {
            Check.that(!queues.contains(m.getQueueId()), "queue %d was consumed by both", m.getQueueId());
        }
        a.clear();
        commit(c, first, second);
        second.shutdown();
        Check.eventually(40, "the one who stayed has all queues", () -> owned(first, c.topic()) == 4);
        a.awaitExactly(c.send(producer, c.topic(), "again", 20), 20);
    }

    static void rebalanceUnderLoad(Case c) throws Exception {
        c.createTopic(c.topic(), 8);
        DefaultMQProducer producer = c.producer();
        Inbox inbox = new Inbox();
        AtomicBoolean stop = new AtomicBoolean();
        Set<String> sent = new TreeSet<>();
        Thread sender = new Thread(() -> {
            try {
                for (int i = 0; !stop.get(); i++) {
                    String body = String.format("load-%05d", i);
                    producer.send(Case.message(c.topic(), body));
                    sent.add(body);
                    Thread.sleep(10);
                }
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        });
        sender.start();
        c.consume(c.group(), c.topic(), inbox);
        for (int i = 0; i < 3; i++) {
            DefaultMQPushConsumer guest = c.consume(c.group(), c.topic(), inbox);
            Check.eventually(40, "the guest has queues", () -> owned(guest, c.topic()) == 4);
            Thread.sleep(500);
            guest.shutdown();
        }
        stop.set(true);
        sender.join();
        inbox.await(sent, 40);
        int again = inbox.size() - sent.size();
        c.note(again + " of " + sent.size() + " delivered again");
        Check.that(again < sent.size() / 2, "%d of %d messages were delivered again", again, sent.size());
    }
}
