package scenarios;

import java.util.List;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;
import org.apache.rocketmq.tools.admin.api.TrackType;

/** Messages found by what they are called. */
final class Lookups {
    private Lookups() {}

    private static Message named(String topic, String tag, String keys, String body) {
        Message m = Case.message(topic, body);
        m.setTags(tag);
        m.setKeys(keys);
        return m;
    }

    private static List<String> bodies(DefaultMQProducer p, String topic, String key, int max, long from, long to) throws Exception {
        return p.queryMessage(topic, key, max, from, to).getMessageList().stream().map(Inbox::body).collect(Collectors.toList());
    }

    static void byKey(Case c) throws Exception {
        c.createTopic(c.topic(), 4);
        c.createTopic(c.topic("_other"), 1);
        DefaultMQProducer producer = c.producer();
        long before = System.currentTimeMillis() - 1000;
        SendResult last = null;
        for (int i = 0; i < 20; i++) {
            last = producer.send(named(c.topic(), "tag" + i % 2, "order-" + i % 4 + " line-" + i, "m" + i));
            producer.send(named(c.topic("_other"), "tag0", "order-1", "other"));
        }
        long behind = System.currentTimeMillis() + 60_000;
        String id = last.getMsgId();
        Check.eventually(10, "the last message by its unique key", () -> Inbox.body(producer.viewMessage(c.topic(), id)).equals("m19"));

        Check.same(bodies(producer, c.topic(), "line-7", 32, before, behind), List.of("m7"), "by a key of its own");
        Check.same(new TreeSet<>(bodies(producer, c.topic(), "order-1", 32, before, behind)),
                new TreeSet<>(List.of("m1", "m5", "m9", "m13", "m17")), "by a shared key");
        Check.same(bodies(producer, c.topic(), "order-1", 2, before, behind), List.of("m13", "m17"), "the newest two");
        Check.same(bodies(producer, c.topic("_other"), "order-1", 64, before, behind).size(), 20, "in the other topic");

        MessageExt middle = producer.queryMessage(c.topic(), "line-10", 1, before, behind).getMessageList().get(0);
        long at = middle.getStoreTimestamp();
        // The original keeps whole seconds.
        Check.same(bodies(producer, c.topic(), "line-10", 32, at - 1000, at + 1000), List.of("m10"), "stored about then");
        absent(producer, c.topic(), "line-10", before - 60_000, before);
        absent(producer, c.topic(), "line-10", behind, behind + 1000);
        absent(producer, c.topic(), "line-99", before, behind);
        Check.same(middle.getKeys(), "order-2 line-10", "keys");
        Check.same(middle.getTags(), "tag0", "tag");
        Check.same(middle.getTopic(), c.topic(), "topic");
    }

    private static void absent(DefaultMQProducer p, String topic, String key, long from, long to) throws Exception {
        try {
            p.queryMessage(topic, key, 32, from, to);
        } catch (MQClientException e) {
            Check.same(e.getResponseCode(), 208, "code of " + e.getErrorMessage());
            return;
        }
        throw new AssertionError("found " + key + " between " + from + " and " + to);
    }

    /** What operators ask: has this message been consumed, and what does the queue's index hold. */
    static void tracks(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        DefaultMQProducer producer = c.producer();
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = c.consume(c.group(), c.topic(), inbox);
        inbox.awaitExactly(c.send(producer, c.topic(), "x", 5), 30);
        DefaultMQAdminExt admin = c.admin();
        Check.eventually(20, "offset committed", () -> admin.examineConsumeStats(c.group(), c.topic()).computeTotalDiff() == 0);
        SendResult first = producer.send(named(c.topic(), "tagA", "key", "first"));
        Check.eventually(10, "message by unique key", () -> producer.viewMessage(c.topic(), first.getMsgId()) != null);
        MessageExt message = producer.viewMessage(c.topic(), first.getMsgId());
        Check.eventually(20, "consumed", () -> track(admin, message, c.group()) == TrackType.CONSUMED);
        consumer.shutdown();
        Check.eventually(20, "not online", () -> track(admin, message, c.group()) == TrackType.NOT_ONLINE);

        var index = admin.queryConsumeQueue(Case.brokers(admin).get(0), c.topic(), 0, 4, 5, null);
        Check.same(index.getMinQueueIndex(), 0L, "first entry");
        Check.same(index.getMaxQueueIndex(), 6L, "behind the last entry");
        Check.same(index.getQueueData().size(), 2, "entries from 4 on");
        Check.same(index.getQueueData().get(1).getPhysicOffset(), message.getCommitLogOffset(), "position");
        Check.same(index.getQueueData().get(1).getPhysicSize(), message.getStoreSize(), "size");
        Check.same(index.getQueueData().get(1).getTagsCode(), (long) "tagA".hashCode(), "tag code");
    }

    private static TrackType track(DefaultMQAdminExt admin, MessageExt message, String group) throws Exception {
        for (var t : admin.messageTrackDetail(message)) {
            if (t.getConsumerGroup().equals(group)) {
                return t.getTrackType();
            }
        }
        return null;
    }
}
