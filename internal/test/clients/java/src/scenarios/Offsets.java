package scenarios;

import java.text.SimpleDateFormat;
import java.util.Date;
import java.util.Set;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/**
 * Where a new group starts, and how it is moved.
 *
 * <p>A new group of a topic that still has its first message starts with that message whatever it
 * asks for: the broker answers offset 0. So "from last" and "from timestamp" are seen with broadcasting
 * consumers, who keep their offsets themselves.
 */
final class Offsets {
    private Offsets() {}

    private static final class Start {
        Set<String> early;
        Set<String> late;
        Set<String> next;
        Inbox inbox = new Inbox();
    }

    /** Messages before, then after a moment, then a consumer, then more of them. */
    private static Start start(Case c, ConsumeFromWhere from) throws Exception {
        c.createTopic(c.topic(), 2);
        DefaultMQProducer producer = c.producer();
        Start s = new Start();
        s.early = c.send(producer, c.topic(), "early", 10);
        Thread.sleep(2100); // the consumer's moment is a whole second
        String moment = new SimpleDateFormat("yyyyMMddHHmmss").format(new Date());
        Thread.sleep(100);
        s.late = c.send(producer, c.topic(), "late", 10);
        DefaultMQPushConsumer consumer = c.consumer(c.group());
        Consuming.broadcast(consumer);
        consumer.setConsumeFromWhere(from);
        consumer.setConsumeTimestamp(moment);
        consumer.subscribe(c.topic(), "*");
        consumer.registerMessageListener(s.inbox.listener());
        consumer.start();
        Check.eventually(40, "queues", () ->
                consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().size() >= 2);
        Thread.sleep(500);
        s.next = c.send(producer, c.topic(), "next", 10);
        return s;
    }

    static void fromFirst(Case c) throws Exception {
        Start s = start(c, ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        s.next.addAll(s.early);
        s.next.addAll(s.late);
        s.inbox.awaitExactly(s.next, 30);
    }

    static void fromLast(Case c) throws Exception {
        Start s = start(c, ConsumeFromWhere.CONSUME_FROM_LAST_OFFSET);
        s.inbox.awaitExactly(s.next, 30);
    }

    static void fromTimestamp(Case c) throws Exception {
        Start s = start(c, ConsumeFromWhere.CONSUME_FROM_TIMESTAMP);
        s.next.addAll(s.late);
        s.inbox.awaitExactly(s.next, 30);
    }

    static void youngTopic(Case c) throws Exception {
        c.createTopic(c.topic(), 2);
        Set<String> bodies = c.send(c.producer(), c.topic(), "young", 10);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = c.consumer(c.group());
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_LAST_OFFSET);
        consumer.subscribe(c.topic(), "*");
        consumer.registerMessageListener(inbox.listener());
        consumer.start();
        inbox.awaitExactly(bodies, 30);
    }

    static void reset(Case c) throws Exception {
        c.createTopic(c.topic(), 2);
        DefaultMQProducer producer = c.producer();
        Inbox inbox = new Inbox();
        c.consume(c.group(), c.topic(), inbox);
        Set<String> early = c.send(producer, c.topic(), "early", 20);
        inbox.awaitExactly(early, 30);
        Thread.sleep(200);
        long moment = System.currentTimeMillis();
        Thread.sleep(200);
        Set<String> late = c.send(producer, c.topic(), "late", 20);
        Set<String> both = new TreeSet<>(early);
        both.addAll(late);
        inbox.awaitExactly(both, 30);
        Thread.sleep(2000); // until the offsets are committed
        inbox.clear();

        DefaultMQAdminExt admin = c.admin();
        var moved = admin.resetOffsetByTimestamp(c.topic(), c.group(), moment, true);
        Check.same(moved.size(), 2, "queues reset");
        long from = System.nanoTime();
        for (MessageQueue q : moved.keySet()) {
            Check.same(moved.get(q), 10L, "offset of " + q);
        }
        inbox.await(late, 60);
        c.note("late messages again after " + (System.nanoTime() - from) / 1_000_000 + " ms");
        Set<String> next = c.send(producer, c.topic(), "next", 10);
        inbox.await(next, 30);
        Set<String> again = inbox.distinct();
        again.retainAll(early);
        Check.same(again, Set.of(), "messages from before the moment that came again");
    }
}
