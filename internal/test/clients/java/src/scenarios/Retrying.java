package scenarios;

import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/** Messages that a listener fails on. */
final class Retrying {
    private Retrying() {}

    /** What lies in a group's dead-letter topic once it holds as many. */
    static List<MessageExt> deadLetters(Case c, String group, int count) throws Exception {
        String topic = "%DLQ%" + group;
        DefaultMQAdminExt admin = c.admin();
        Check.eventually(40, topic + " exists", () -> !admin.examineTopicRouteInfo(topic).getQueueDatas().isEmpty());
        return c.read(topic, count);
    }

    static void thenSuccess(Case c) throws Exception {
        c.createTopic(c.topic(), 2);
        Inbox failed = new Inbox();
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = c.consumer(c.group());
        consumer.subscribe(c.topic(), "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            for (MessageExt m : messages) {
                if (m.getReconsumeTimes() == 0 && Inbox.body(m).endsWith("5")) {
                    failed.add(m);
                    return ConsumeConcurrentlyStatus.RECONSUME_LATER;
                }
                inbox.add(m);
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        Set<String> bodies = c.send(c.producer(), c.topic(), "retry", 20);
        inbox.awaitExactly(bodies, 40);
        Check.same(failed.distinct(), new TreeSet<>(Set.of("retry-0005", "retry-0015")), "failed once");
        for (MessageExt m : inbox.all()) {
            boolean again = Inbox.body(m).endsWith("5");
            Check.same(m.getReconsumeTimes(), again ? 1 : 0, "tries before " + Inbox.body(m));
            Check.same(m.getTopic(), c.topic(), "topic that the listener sees");
        }
    }

    static void toDeadLetters(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        Message sent = Case.message(c.topic(), "poison");
        sent.setKeys("key");
        sent.setTags("tag");
        sent.putUserProperty("colour", "green");
        SendResult r = c.producer().send(sent);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = c.consumer(c.group());
        consumer.setMaxReconsumeTimes(2);
        consumer.subscribe(c.topic(), "tag");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            messages.forEach(inbox::add);
            return ConsumeConcurrentlyStatus.RECONSUME_LATER;
        });
        consumer.start();
        MessageExt dead = deadLetters(c, c.group(), 1).get(0);
        List<MessageExt> got = inbox.all();
        Check.same(got.size(), 3, "deliveries");
        for (int i = 0; i < 3; i++) {
            MessageExt m = got.get(i);
            Check.same(m.getReconsumeTimes(), i, "tries before delivery " + i);
            Check.same(m.getTopic(), c.topic(), "topic that the listener sees");
            Check.same(m.getKeys(), "key", "keys");
            Check.same(m.getTags(), "tag", "tag");
            Check.same(m.getUserProperty("colour"), "green", "property");
            Check.same(m.getMsgId(), r.getMsgId(), "id");
            if (i > 0) {
                Check.same(m.getProperty("RETRY_TOPIC"), c.topic(), "RETRY_TOPIC");
                Check.same(m.getProperty("ORIGIN_MESSAGE_ID"), r.getOffsetMsgId(), "ORIGIN_MESSAGE_ID");
                Check.that(m.getStoreTimestamp() - got.get(i - 1).getStoreTimestamp() > 800, "came back without a rest");
            }
        }
        Check.same(Inbox.body(dead), "poison", "body of the dead letter");
        Check.same(dead.getTopic(), "%DLQ%" + c.group(), "its topic");
        Check.same(dead.getQueueId(), 0, "its queue");
        Check.same(dead.getReconsumeTimes(), 3, "its tries");
        Check.same(dead.getKeys(), "key", "its keys");
        Check.same(dead.getTags(), "tag", "its tag");
        Check.same(dead.getUserProperty("colour"), "green", "its property");
        Check.same(dead.getProperty("RETRY_TOPIC"), c.topic(), "RETRY_TOPIC");
        Check.same(dead.getProperty("ORIGIN_MESSAGE_ID"), r.getOffsetMsgId(), "ORIGIN_MESSAGE_ID");
    }
}
