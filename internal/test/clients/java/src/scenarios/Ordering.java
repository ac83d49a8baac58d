package scenarios;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageExt;

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

    /** What has arrived of one order, dropping what came again. */
    private static void checkOrder(List<MessageExt> got, int orders) {
        Map<String, List<String>> by = new HashMap<>();
        for (MessageExt m : got) {
            String body = Inbox.body(m);
            by.computeIfAbsent(body.substring(0, body.indexOf('-')), o -> new ArrayList<>()).add(body);
        }
        Check.same(by.size(), orders, "orders");
        by.forEach((order, list) -> Check.same(list, new ArrayList<>(new TreeSet<>(list)), "sequence of " + order));
    }

    static void ordered(Case c) throws Exception {
        c.createTopic(c.topic(), 4);
        Set<String> bodies = sendOrders(c, 8, 25);
        Inbox inbox = new Inbox();
        Map<Integer, AtomicInteger> busy = new ConcurrentHashMap<>();
        AtomicInteger overlaps = new AtomicInteger();
        MessageListenerOrderly listener = (messages, context) -> {
            AtomicInteger inQueue = busy.computeIfAbsent(context.getMessageQueue().getQueueId(), q -> new AtomicInteger());
            if (inQueue.incrementAndGet() > 1) {
                overlaps.incrementAndGet();
            }
            messages.forEach(inbox::add);
            inQueue.decrementAndGet();
            return ConsumeOrderlyStatus.SUCCESS;
        };
        for (int i = 0; i < 2; i++) { // two members, each with the locks of its queues
            DefaultMQPushConsumer consumer = c.consumer(c.group());
            consumer.subscribe(c.topic(), "*");
            consumer.registerMessageListener(listener);
            consumer.start();
        }
        inbox.await(bodies, 40);
        Check.same(overlaps.get(), 0, "queues consumed by two threads at once");
        // A message comes twice when its queue changes hands; the first time counts.
        List<MessageExt> first = new ArrayList<>();
        Set<String> seen = new TreeSet<>();
        inbox.all().stream().filter(m -> seen.add(Inbox.body(m))).forEach(first::add);
        checkOrder(first, 8);
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
        checkOrder(inbox.all(), 2);
        Check.same(tries.get("order0-003").get(), 3, "tries");
    }

    static void toDeadLetters(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        Set<String> bodies = sendOrders(c, 1, 6);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = c.consumer(c.group());
        consumer.setSuspendCurrentQueueTimeMillis(100);
        consumer.setMaxReconsumeTimes(2);
        consumer.subscribe(c.topic(), "*");
        consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
            if (Inbox.body(messages.get(0)).equals("order0-002")) {
                return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
            }
            messages.forEach(inbox::add);
            return ConsumeOrderlyStatus.SUCCESS;
        });
        consumer.start();
        bodies.remove("order0-002");
        inbox.awaitExactly(bodies, 30);
        checkOrder(inbox.all(), 1);
        List<MessageExt> dead = Retrying.deadLetters(c, c.group(), 1);
        Check.same(Inbox.body(dead.get(0)), "order0-002", "dead letter");
        Check.same(dead.get(0).getProperty("RETRY_TOPIC"), c.topic(), "RETRY_TOPIC");
    }
}
