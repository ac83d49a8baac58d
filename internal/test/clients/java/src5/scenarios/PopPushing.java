package scenarios;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageRequestMode;
import org.apache.rocketmq.remoting.protocol.heartbeat.MessageModel;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/** Push consumers that an operator has switched to popping. */
final class PopPushing {
    private PopPushing() {}

    private static void popMode(Case c, int share) throws Exception {
        Popping.createGroup(c, c.group());
        DefaultMQAdminExt admin = c.admin();
        for (String addr : Case.brokers(admin)) {
            admin.setMessageRequestMode(addr, c.topic(), c.group(), MessageRequestMode.POP, share, 5000);
        }
    }

    private static DefaultMQPushConsumer consumer(Case c) throws Exception {
        DefaultMQPushConsumer consumer = c.consumer(c.group());
        consumer.setClientRebalance(false);
        consumer.subscribe(c.topic(), "*");
        return consumer;
    }

    private static void pops(DefaultMQPushConsumer consumer) throws Exception {
        Check.eventually(30, "a queue to pop from",
                () -> !consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getPopProcessQueueTable().isEmpty());
    }

    static void concurrently(Case c) throws Exception {
        c.createTopic(c.topic(), 4);
        popMode(c, 0);
        Inbox inbox = new Inbox();
        for (int i = 0; i < 2; i++) {
            DefaultMQPushConsumer consumer = consumer(c);
            consumer.registerMessageListener(inbox.listener());
            consumer.start();
            pops(consumer);
        }
        Set<String> sent = c.send(c.producer(), c.topic(), "pushed", 300);
        inbox.awaitExactly(sent, 60);
        for (MessageExt m : inbox.all()) {
            Check.same(m.getTopic(), c.topic(), "topic that the listener sees");
            Check.that(Popper.receipt(m) != null, "a message without a receipt");
        }
    }

    /** The client lets a message rest for 10 s, then for 30 s. */
    static void retry(Case c) throws Exception {
        c.createTopic(c.topic(), 2);
        popMode(c, 0);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = consumer(c);
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            messages.forEach(inbox::add);
            boolean failing = messages.stream().anyMatch(m -> Inbox.body(m).endsWith("5") && m.getReconsumeTimes() < 2);
            return failing ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        pops(consumer);
        c.send(c.producer(), c.topic(), "retry", 20);
        Check.eventually(120, "24 deliveries", () -> inbox.size() >= 24);
        Thread.sleep(2000);
        Check.same(inbox.size(), 24, "deliveries");
        for (String body : List.of("retry-0005", "retry-0015")) {
            List<MessageExt> tries = inbox.all().stream().filter(m -> Inbox.body(m).equals(body)).collect(Collectors.toList());
            Check.same(tries.stream().map(MessageExt::getReconsumeTimes).collect(Collectors.toList()), List.of(0, 1, 2), "tries of " + body);
            for (MessageExt m : tries) {
                Check.same(m.getTopic(), c.topic(), "topic that the listener sees");
            }
        }
    }

    /** The client pulls for a listener that wants order, whatever the mode, and gets it. */
    static void orderly(Case c) throws Exception {
        c.createTopic(c.topic(), 4);
        popMode(c, 0);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = consumer(c);
        consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
            messages.forEach(inbox::add);
            return ConsumeOrderlyStatus.SUCCESS;
        });
        consumer.start();
        inbox.awaitExactly(c.send(c.producer(), c.topic(), "orderly", 100), 60);
        Check.that(consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getPopProcessQueueTable().isEmpty(), "the client pops");
        for (int q = 0; q < 4; q++) {
            int queue = q;
            List<Long> offsets = inbox.all().stream().filter(m -> m.getQueueId() == queue).map(MessageExt::getQueueOffset).collect(Collectors.toList());
            Check.same(offsets, offsets.stream().sorted().collect(Collectors.toList()), "order of queue " + q);
        }
    }

    /** A group that allows one more try. RocketMQ's broker tries on; only its proxy gives up. */
    static void deadLetters(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        DefaultMQAdminExt admin = c.admin();
        for (String addr : Case.brokers(admin)) {
            var config = new org.apache.rocketmq.remoting.protocol.subscription.SubscriptionGroupConfig();
            config.setGroupName(c.group());
            config.setRetryMaxTimes(1);
            admin.createAndUpdateSubscriptionGroupConfig(addr, config);
        }
        try (Popper p = new Popper(c, c.topic(), c.group())) {
            c.send(c.producer(), c.topic(), "poison", 1);
            List<Integer> tries = new ArrayList<>();
            Check.eventually(60, "two deliveries", () -> {
                for (MessageExt m : p.pop(1, 1000, 1000)) {
                    tries.add(m.getReconsumeTimes());
                }
                return tries.size() >= 2;
            });
            MessageExt dead = Retrying.deadLetters(c, c.group(), 1).get(0);
            Check.same(Inbox.body(dead), "poison-0000", "body of the dead letter");
            Check.same(tries, List.of(0, 1), "tries");
        }
    }

    /** A group with 20 messages a second, whose attribute is set before: slower, complete, without errors. */
    static void slow(Case c) throws Exception {
        c.createTopic(c.topic(), 2);
        popMode(c, 0);
        Set<String> bodies = c.send(c.producer(), c.topic(), "slow", 120);
        Inbox inbox = new Inbox();
        for (int i = 0; i < 2; i++) {
            DefaultMQPushConsumer consumer = consumer(c);
            consumer.registerMessageListener(inbox.listener());
            consumer.start();
            pops(consumer);
        }
        Check.eventually(30, "the first message", () -> inbox.size() > 0);
        long begun = System.nanoTime();
        inbox.awaitExactly(bodies, 60);
        double seconds = (System.nanoTime() - begun) / 1e9 - 0.5;
        c.note(String.format("%d messages in %.1f s", bodies.size(), seconds));
        Check.that(seconds > 4 && seconds < 12, "120 messages at 20 a second came in %.1f s", seconds);
    }

    /**
     * Messages at most once beside stored ones: those that wait get them, once even where the listener
     * fails on them, and nothing stored is lost or repeated.
     */
    static void atMostOnce(Case c) throws Exception {
        c.createTopic(c.topic(), 2);
        popMode(c, 0);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = consumer(c);
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            messages.forEach(inbox::add);
            boolean failing = messages.stream().anyMatch(m -> Inbox.body(m).equals("passing-0"));
            return failing ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        pops(consumer);
        var producer = c.producer();
        Set<String> stored = c.send(producer, c.topic(), "first", 4);
        inbox.await(stored, 40);
        Thread.sleep(1000); // the next pops wait
        for (int i = 0; i < 20; i++) {
            Qualities.passes(producer, Qualities.atMostOnce(c, "passing-" + i));
            Thread.sleep(200);
            producer.send(Case.message(c.topic(), "stored-" + i));
            stored.add("stored-" + i);
            Thread.sleep(200);
        }
        inbox.await(stored, 60);
        Thread.sleep(12_000); // the first rest of a message that was failed on takes ten
        List<String> passing = inbox.all().stream().map(Inbox::body).filter(b -> b.startsWith("passing")).collect(Collectors.toList());
        c.note(passing.size() + " of 20 at most once arrived");
        Check.that(passing.contains("passing-0"), "the first at most once did not arrive");
        Check.same(new TreeSet<>(passing).size(), passing.size(), "messages at most once that came once");
        Check.same(inbox.size() - passing.size(), stored.size(), "deliveries of stored messages");
        Check.same(c.read(c.topic(), stored.size()).size(), stored.size(), "messages stored");
    }

    /** Each of four members pops from its own queues and those of the next. */
    static void sharedQueues(Case c) throws Exception {
        c.createTopic(c.topic(), 4);
        popMode(c, 1);
        List<DefaultMQPushConsumer> members = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            DefaultMQPushConsumer consumer = consumer(c);
            consumer.registerMessageListener(new Inbox().listener());
            consumer.start();
            members.add(consumer);
        }
        Check.eventually(40, "each has two queues", () -> {
            Set<String> all = new TreeSet<>();
            for (DefaultMQPushConsumer m : members) {
                Set<String> own = Popping.names(m.getDefaultMQPushConsumerImpl().getRebalanceImpl().getPopProcessQueueTable().keySet());
                all.addAll(own);
                if (own.size() != 2) {
                    return false;
                }
            }
            return all.equals(Set.of("0", "1", "2", "3"));
        });
        popMode(c, 0);
        Check.eventually(60, "each has any queue", () -> {
            for (DefaultMQPushConsumer m : members) {
                var queues = m.getDefaultMQPushConsumerImpl().getRebalanceImpl().getPopProcessQueueTable().keySet();
                if (!Popping.names(queues).equals(Set.of("-1"))) {
                    return false;
                }
            }
            return true;
        });
        var impl = members.get(0).getDefaultMQPushConsumerImpl().getmQClientFactory();
        var assigned = impl.getMQClientAPIImpl().queryAssignment(Case.brokers(c.admin()).get(0), c.topic(), c.group(),
                impl.getClientId(), "AVG", MessageModel.BROADCASTING, 5000);
        Check.same(assigned.stream().map(a -> a.getMessageQueue().getQueueId()).collect(Collectors.toCollection(TreeSet::new)),
                new TreeSet<>(Set.of(0, 1, 2, 3)), "queues of a member that broadcasts");
    }
}
