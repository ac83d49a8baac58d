package scenarios;

import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** A message that names its producer's span, as OpenTelemetry's instrumentation of this client writes it. */
final class Tracing {
    static final String PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    private Tracing() {}

    static void failsOnce(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = c.consumer(c.group());
        consumer.subscribe(c.topic(), "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            for (MessageExt m : messages) {
                Check.same(m.getUserProperty("traceparent"), PARENT, "traceparent that arrives");
                if (m.getReconsumeTimes() == 0) {
                    return ConsumeConcurrentlyStatus.RECONSUME_LATER;
                }
                inbox.add(m);
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        Message m = Case.message(c.topic(), "followed");
        m.putUserProperty("traceparent", PARENT);
        c.producer().send(m);
        inbox.awaitExactly(Set.of("followed"), 40);
    }
}
