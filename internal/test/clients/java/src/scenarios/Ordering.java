package scenarios;

import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;

/** Order within a queue: by selector when sending, by an orderly listener when consuming. */
final class Ordering {
    private Ordering() {}

    /** Numbers 0 to count-1 for each of some orders, one order always in the same queue. */
    private static Set<String> sendOrders(Case c, int orders, int count) throws Exception {
        DefaultMQProducer producer = c.producer();
        Set<String> bodies = new TreeSet<>();
        for (int i = 0; i < count; i++) {
            for (int order = 0; order < orders; order++) {
                String body = String.format("order%d-%03d", order, i);
                producer.send(Case.message(c.topic(), body), (queues, m, arg) -> queues.get((int) arg % queues.size()), order);
                bodies.add(body);
            }
        }
        return bodies;
    }

    static void retryKeepsOrder(Case c) throws Exception {
        c.createTopic(c.topic(), 2);
        Set<String> bodies = sendOrders(c, 2, 10);
        Inbox inbox = new Inbox();
        Map<String, AtomicInteger> tries = new ConcurrentHashMap<>();
        DefaultMQPushConsumer consumer = c.consumer(c.group());
        consumer.setSuspendCurrentQueueTimeMillis(100);
        consumer.subscribe(c.topic(), "*");
        consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
            String body = Inbox.body(messages.get(0));
            if (body.endsWith("3") && tries.computeIfAbsent(body, b -> new AtomicInteger()).incrementAndGet() < 3) {
                return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
            }
            messages.forEach(inbox::add);
            return ConsumeOrderlyStatus.SUCCESS;
        });
        consumer.start();
        inbox.awaitExactly(bodies, 30);
        inbox.inOrder();
        Check.same(tries.get("order0-003").get(), 3, "tries");
    }
}
