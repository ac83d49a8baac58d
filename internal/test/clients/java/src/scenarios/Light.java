package scenarios;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullCallback;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Light queues, which a message names beside its topic, and priorities, which choose a queue. */
final class Light {
    private static final String DISPATCH = "INNER_MULTI_DISPATCH";
    private static final String OFFSETS = "INNER_MULTI_QUEUE_OFFSET";

    private Light() {}

    /** A message lies in its own queue and in each light one, and a group nobody made reads them. */
    static void queues(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        DefaultMQProducer producer = c.producer();
        DefaultMQPullConsumer puller = c.puller("%LMQ%" + c.group());
        MessageQueue own = queueOf(puller, c.topic());
        String a = "%LMQ%" + c.topic("_a");
        String b = "%LMQ%" + c.topic("_b");
        MessageQueue qa = new MessageQueue(a, own.getBrokerName(), 0);
        MessageQueue qb = new MessageQueue(b, own.getBrokerName(), 0);

        Check.same(puller.maxOffset(qa), 0L, "max offset before");
        producer.send(light(c.topic(), "plain", null));
        producer.send(light(c.topic(), "first", a + "," + b));
        producer.send(light(c.topic(), "second", b));
        producer.send(light(c.topic(), "third", b + "," + a));
        Check.same(bodies(puller, qa, 2), List.of("first", "third"), "first light queue");
        Check.same(bodies(puller, qb, 3), List.of("first", "second", "third"), "second light queue");
        Check.same(bodies(puller, own, 4), List.of("plain", "first", "second", "third"), "own queue");
        Check.same(puller.minOffset(qa) + ".." + puller.maxOffset(qa), "0..2", "bounds");
        MessageExt third = puller.pull(qa, "*", 1, 1).getMsgFoundList().get(0);
        Check.same(third.getTopic(), c.topic(), "topic of a message in a light queue");
        String[] offsets = third.getProperty(OFFSETS).split(",");
        Check.same(Long.parseLong(offsets[0]) + " " + Long.parseLong(offsets[1]), "2 1", "its offsets");
        c.note("a message at offset 1 of a light queue says " + third.getQueueOffset() + " of queue " + third.getQueueId());
        Check.same(third.getQueueOffset() + " " + third.getQueueId(), "3 0", "what the client makes of offset and queue");
        Check.same(puller.pull(qa, "*", 2, 1).getPullStatus(), PullStatus.NO_NEW_MSG, "at the end");
        Check.same(puller.pull(qa, "*", 7, 1).getPullStatus(), PullStatus.OFFSET_ILLEGAL, "behind the end");

        puller.updateConsumeOffset(qb, 2);
        puller.getOffsetStore().persist(qb);
        DefaultMQPullConsumer other = c.puller("%LMQ%" + c.group());
        queueOf(other, c.topic());
        Check.eventually(10, "committed offset", () -> other.fetchConsumeOffset(qb, true) == 2);
    }

    /** A pull that waits on a light queue is woken, also by a message that is delivered later. */
    static void wakes(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        DefaultMQProducer producer = c.producer();
        DefaultMQPullConsumer puller = c.puller(c.group());
        MessageQueue own = queueOf(puller, c.topic());
        String name = "%LMQ%" + c.topic();
        MessageQueue q = new MessageQueue(name, own.getBrokerName(), 0);
        producer.send(light(c.topic(), "there", name));
        Check.same(bodies(puller, q, 1), List.of("there"), "light queue");
        String[] labels = {"at once", "delayed"};
        for (int i = 0; i < labels.length; i++) {
            CompletableFuture<PullResult> woken = new CompletableFuture<>();
            puller.pullBlockIfNotFound(q, "*", 1 + i, 32, new PullCallback() {
                @Override
                public void onSuccess(PullResult r) {
                    woken.complete(r);
                }

                @Override
                public void onException(Throwable e) {
                    woken.completeExceptionally(e);
                }
            });
            Thread.sleep(500);
            Check.that(!woken.isDone(), "the pull did not wait");
            Message m = light(c.topic(), labels[i], name);
            m.setDelayTimeLevel(i);
            producer.send(m);
            PullResult r = woken.get(15, TimeUnit.SECONDS);
            Check.same(r.getPullStatus(), PullStatus.FOUND, labels[i]);
            Check.same(Inbox.body(r.getMsgFoundList().get(0)), labels[i], "what woke it");
        }
        Check.same(bodies(puller, q, 3), List.of("there", "at once", "delayed"), "light queue in the end");
    }

    /** The priority is the number of the queue, up to the last; of another kind of message it is dropped. */
    static void priorities(Case c) throws Exception {
        c.createTopic(c.topic(), 4);
        DefaultMQProducer producer = c.producer();
        int[][] want = {{0, 0}, {1, 1}, {3, 3}, {4, 3}, {1000, 3}};
        for (int[] w : want) {
            for (int i = 0; i < 2; i++) { // whatever queue the client chooses
                Message m = Case.message(c.topic(), "priority " + w[0]);
                MessageAccessor.putProperty(m, "_SYS_MSG_PRIORITY_", String.valueOf(w[0]));
                SendResult r = producer.send(m);
                Check.same(r.getMessageQueue().getQueueId(), w[1], "queue of priority " + w[0]);
            }
        }
        Message m = Case.message(c.topic(), "ordered");
        MessageAccessor.putProperty(m, "_SYS_MSG_PRIORITY_", "0");
        MessageAccessor.putProperty(m, "__SHARDINGKEY", "k");
        SendResult r = producer.send(m, (queues, message, arg) -> queues.get(2), null);
        Check.same(r.getMessageQueue().getQueueId(), 2, "queue of an ordered message");
        for (MessageExt stored : c.read(c.topic(), 11)) {
            String priority = stored.getProperty("_SYS_MSG_PRIORITY_");
            boolean ordered = Inbox.body(stored).equals("ordered");
            Check.that(ordered == (priority == null), "%s has priority %s", Inbox.body(stored), priority);
        }
    }

    /** The first queue of a topic; from then on the client knows its broker, which no light queue leads to. */
    static MessageQueue queueOf(DefaultMQPullConsumer puller, String topic) throws Exception {
        puller.getDefaultMQPullConsumerImpl().getRebalanceImpl().getmQClientFactory().updateTopicRouteInfoFromNameServer(topic);
        return puller.fetchSubscribeMessageQueues(topic).iterator().next();
    }

    private static Message light(String topic, String body, String queues) {
        Message m = Case.message(topic, body);
        if (queues != null) {
            MessageAccessor.putProperty(m, DISPATCH, queues);
        }
        return m;
    }

    /** The bodies in a queue, once there are so many; the original shows a message a moment after it was sent. */
    static List<String> bodies(DefaultMQPullConsumer puller, MessageQueue q, int count) throws Exception {
        List<String> all = new ArrayList<>();
        Check.eventually(10, count + " messages in " + q.getTopic(), () -> puller.maxOffset(q) == count);
        long next = 0;
        while (next < count) {
            PullResult r = puller.pull(q, "*", next, 32);
            if (r.getPullStatus() == PullStatus.FOUND) {
                for (MessageExt m : r.getMsgFoundList()) {
                    all.add(Inbox.body(m));
                }
            }
            Check.that(r.getNextBeginOffset() > next || r.getPullStatus() == PullStatus.NO_NEW_MSG, "no way on from %d", next);
            next = r.getNextBeginOffset();
        }
        return all;
    }
}
