package scenarios;

import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
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
}
