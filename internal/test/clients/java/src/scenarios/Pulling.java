package scenarios;

import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Consumers that ask for messages themselves. */
final class Pulling {
    private Pulling() {}

    static void pull(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        DefaultMQProducer producer = c.producer();
        long before = System.currentTimeMillis();
        for (int i = 0; i < 50; i++) {
            Message m = Case.message(c.topic(), "pull-" + i);
            m.setTags(i < 40 ? "many" : "few");
            producer.send(m);
        }
        DefaultMQPullConsumer puller = c.puller(c.group());
        Set<MessageQueue> queues = puller.fetchSubscribeMessageQueues(c.topic());
        Check.same(queues.size(), 1, "queues");
        MessageQueue q = queues.iterator().next();
        Check.same(puller.minOffset(q), 0L, "min offset");
        Check.eventually(10, "max offset 50", () -> puller.maxOffset(q) == 50);

        PullResult r = puller.pull(q, "*", 10, 16);
        Check.same(r.getPullStatus(), PullStatus.FOUND, "status");
        Check.same(r.getMsgFoundList().size(), 16, "messages");
        Check.same(r.getNextBeginOffset(), 26L, "next offset");
        Check.same(r.getMinOffset(), 0L, "min offset");
        Check.same(r.getMaxOffset(), 50L, "max offset");
        for (int i = 0; i < 16; i++) {
            MessageExt m = r.getMsgFoundList().get(i);
            Check.same(Inbox.body(m), "pull-" + (10 + i), "body");
            Check.same(m.getQueueOffset(), 10L + i, "offset");
        }
        Check.same(puller.pull(q, "*", 50, 16).getPullStatus(), PullStatus.NO_NEW_MSG, "at the end");

        r = puller.pull(q, "few", 0, 16);
        while (r.getPullStatus() == PullStatus.NO_MATCHED_MSG) {
            r = puller.pull(q, "few", r.getNextBeginOffset(), 16);
        }
        Check.same(r.getPullStatus(), PullStatus.FOUND, "status with a tag");
        Check.same(Inbox.body(r.getMsgFoundList().get(0)), "pull-40", "first with the tag");

        Check.same(puller.searchOffset(q, before - 1000), 0L, "offset at a time before");
        Check.same(puller.searchOffset(q, System.currentTimeMillis() + 60_000), 50L, "offset at a time behind");
        MessageExt middle = puller.pull(q, "*", 25, 1).getMsgFoundList().get(0);
        long found = puller.searchOffset(q, middle.getStoreTimestamp());
        long at = puller.pull(q, "*", found, 1).getMsgFoundList().get(0).getStoreTimestamp();
        Check.that(found <= 25 && at == middle.getStoreTimestamp(), "time of message 25 leads to %d, stored %d ms from it", found, at - middle.getStoreTimestamp());
        Check.that(puller.earliestMsgStoreTime(q) >= before, "earliest store time %d", puller.earliestMsgStoreTime(q));

        puller.updateConsumeOffset(q, 33);
        puller.getOffsetStore().persist(q);
        DefaultMQPullConsumer other = c.puller(c.group());
        Check.eventually(10, "committed offset", () -> other.fetchConsumeOffset(q, true) == 33);
    }

    static void offsetIllegal(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        DefaultMQProducer producer = c.producer();
        DefaultMQPullConsumer puller = c.puller(c.group());
        MessageQueue q = puller.fetchSubscribeMessageQueues(c.topic()).iterator().next();
        PullResult r = puller.pull(q, "*", 0, 1);
        Check.same(r.getPullStatus(), PullStatus.NO_NEW_MSG, "empty queue at 0");
        c.send(producer, c.topic(), "x", 5);
        Check.eventually(10, "max offset 5", () -> puller.maxOffset(q) == 5);
        r = puller.pull(q, "*", 100, 1);
        Check.same(r.getPullStatus(), PullStatus.OFFSET_ILLEGAL, "far behind the end");
        Check.same(r.getNextBeginOffset(), 5L, "offset it is sent to");
        Check.same(puller.pull(q, "*", 6, 1).getPullStatus(), PullStatus.OFFSET_ILLEGAL, "one behind the end");
        Check.same(puller.pull(q, "*", 5, 1).getPullStatus(), PullStatus.NO_NEW_MSG, "at the end");
    }

    static void liteSubscribe(Case c) throws Exception {
        c.createTopic(c.topic(), 4);
        Set<String> bodies = c.send(c.producer(), c.topic(), "lite", 40);
        DefaultLitePullConsumer consumer = lite(c, c.group());
        consumer.subscribe(c.topic(), "*");
        consumer.start();
        Set<String> got = poll(consumer, bodies.size(), 40);
        Check.same(got, bodies, "bodies");
        consumer.commitSync();
        Check.eventually(10, "offsets committed", () -> {
            long sum = 0;
            for (MessageQueue q : consumer.fetchMessageQueues(c.topic())) {
                sum += consumer.committed(q);
            }
            return sum == 40;
        });
        consumer.shutdown();
    }

    static void liteAssign(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        DefaultMQProducer producer = c.producer();
        Set<String> all = new TreeSet<>(c.send(producer, c.topic(), "early", 20));
        Thread.sleep(50); // so that no message has this very millisecond
        long moment = System.currentTimeMillis();
        Thread.sleep(50);
        Set<String> late = c.send(producer, c.topic(), "late", 20);
        all.addAll(late);
        c.read(c.topic(), 40);
        DefaultLitePullConsumer consumer = lite(c, c.group());
        consumer.setAutoCommit(false);
        consumer.start();
        Collection<MessageQueue> queues = consumer.fetchMessageQueues(c.topic());
        consumer.assign(queues);
        MessageQueue q = queues.iterator().next();
        long offset = consumer.offsetForTimestamp(q, moment);
        Check.same(offset, 20L, "offset of the moment");
        // Clients may hand out what they were pulling when they were told to go elsewhere.
        Check.same(poll(consumer, 40, 30), all, "bodies");
        consumer.seek(q, offset);
        Check.same(poll(consumer, 20, 30), late, "bodies behind the moment");
        consumer.seekToBegin(q);
        Check.same(poll(consumer, 40, 30).size(), 40, "bodies from the beginning");
        consumer.seekToEnd(q);
        Check.same(consumer.poll(1000), List.of(), "at the end");
        Set<String> next = c.send(producer, c.topic(), "next", 5);
        Check.same(poll(consumer, 5, 30), next, "bodies behind the end");
        consumer.shutdown();
    }

    private static DefaultLitePullConsumer lite(Case c, String group) {
        DefaultLitePullConsumer consumer = c.client(new DefaultLitePullConsumer(group, Case.SIGNED));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        return consumer;
    }

    private static Set<String> poll(DefaultLitePullConsumer consumer, int count, int seconds) {
        Set<String> bodies = new TreeSet<>();
        long end = System.nanoTime() + seconds * 1_000_000_000L;
        while (bodies.size() < count && System.nanoTime() < end) {
            consumer.poll(500).forEach(m -> bodies.add(Inbox.body(m)));
        }
        return bodies;
    }
}
