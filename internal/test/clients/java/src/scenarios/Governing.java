package scenarios;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragely;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/** What operators let consumers do, and what consumers may read beside their topics. */
final class Governing {
    private Governing() {}

    /** A group that is suspended gets nothing, and goes on by itself. */
    static void suspended(Case c) throws Exception {
        c.createTopic(c.topic(), 2);
        Inbox inbox = new Inbox();
        c.consume(c.group(), c.topic(), inbox);
        DefaultMQProducer producer = c.producer();
        inbox.awaitExactly(c.send(producer, c.topic(), "before", 10), 30);
        enable(c, false);
        Thread.sleep(1000);
        // A pull that was parked may bring one message per queue.
        inbox.clear();
        c.send(producer, c.topic(), "wake", 2);
        Thread.sleep(1000);
        inbox.clear();
        Set<String> held = c.send(producer, c.topic(), "held", 20);
        Thread.sleep(4000);
        Check.same(inbox.size(), 0, "messages while the group is suspended");
        enable(c, true);
        inbox.await(held, 40);
    }

    private static void enable(Case c, boolean consume) throws Exception {
        DefaultMQAdminExt admin = c.admin();
        for (String broker : Case.brokers(admin)) {
            var config = admin.examineSubscriptionGroupConfig(broker, c.group());
            config.setConsumeEnable(consume);
            admin.createAndUpdateSubscriptionGroupConfig(broker, config);
        }
        admin.shutdown();
    }

    /** A topic is forbidden to a group, which goes on with its other topics. */
    static void forbidden(Case c) throws Exception {
        c.createTopic(c.topic("_a"), 1);
        c.createTopic(c.topic("_b"), 1);
        DefaultMQAdminExt admin = c.admin();
        String broker = Case.brokers(admin).get(0);
        Check.that(forbid(admin, broker, c, null).contains("readable=true"), "readable at first");
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = c.consumer(c.group());
        consumer.subscribe(c.topic("_a"), "*");
        consumer.subscribe(c.topic("_b"), "*");
        consumer.registerMessageListener(inbox.listener());
        consumer.start();
        DefaultMQProducer producer = c.producer();
        Set<String> all = c.send(producer, c.topic("_a"), "a", 5);
        all.addAll(c.send(producer, c.topic("_b"), "b", 5));
        inbox.awaitExactly(all, 30);

        Check.that(forbid(admin, broker, c, false).contains("readable=false"), "not readable");
        Check.that(forbid(admin, broker, c, null).contains("readable=false"), "still not readable");
        c.send(producer, c.topic("_a"), "wake", 1); // for a pull that is parked
        Thread.sleep(1000);
        inbox.clear();
        Set<String> held = c.send(producer, c.topic("_a"), "held", 5);
        inbox.await(c.send(producer, c.topic("_b"), "free", 5), 30);
        Thread.sleep(3500);
        Check.that(Collections.disjoint(inbox.distinct(), held), "a forbidden topic was read: %s", inbox.distinct());
        Check.that(forbid(admin, broker, c, true).contains("readable=true"), "readable again");
        inbox.await(held, 40);
    }

    /** The admin client of 4.9 does not have this call. */
    private static String forbid(DefaultMQAdminExt admin, String broker, Case c, Boolean readable) throws Exception {
        return DefaultMQAdminExt.class.getMethod("updateAndGetGroupReadForbidden", String.class, String.class, String.class, Boolean.class)
                .invoke(admin, broker, c.group(), c.topic("_a"), readable).toString();
    }

    /** A listener gets several messages at once, as many as it asks for. */
    static void batches(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        Set<String> bodies = c.send(c.producer(), c.topic(), "batch", 100);
        c.read(c.topic(), 100);
        Inbox inbox = new Inbox();
        List<Integer> sizes = Collections.synchronizedList(new ArrayList<>());
        DefaultMQPushConsumer consumer = c.consumer(c.group());
        consumer.setConsumeMessageBatchMaxSize(10);
        consumer.setPullBatchSize(32);
        consumer.subscribe(c.topic(), "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            sizes.add(messages.size());
            messages.forEach(inbox::add);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        inbox.awaitExactly(bodies, 30);
        Check.same(Collections.max(sizes), 10, "most messages at once");
    }

    /** Clients write traces of what they do into a topic. */
    static void traces(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        DefaultMQProducer producer = c.start(new DefaultMQProducer(c.group("_p"), Case.SIGNED, true, null));
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = c.client(new DefaultMQPushConsumer(c.group(), Case.SIGNED, new AllocateMessageQueueAveragely(), true, null));
        consumer.subscribe(c.topic(), "*");
        consumer.registerMessageListener(inbox.listener());
        consumer.start();
        try {
            SendResult sent = producer.send(Case.message(c.topic(), "traced"));
            inbox.await(Set.of("traced"), 30);
            DefaultMQPullConsumer puller = c.puller(c.group("_reader"));
            for (String kind : List.of("Pub", "SubBefore", "SubAfter")) {
                Check.eventually(30, kind + " of " + sent.getMsgId(), () -> Case.read(puller, "RMQ_SYS_TRACE_TOPIC").stream().anyMatch(
                        m -> m.getKeys() != null && m.getKeys().contains(sent.getMsgId()) && (Inbox.body(m).contains(kind))));
            }
        } finally {
            consumer.shutdown();
        }
    }

    /** The broker's own topics, and those of other groups, can be read like others. */
    static void others(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        DefaultMQProducer producer = c.producer();
        Message late = Case.message(c.topic(), "late-" + c.topic());
        late.setDelayTimeLevel(18);
        producer.send(late);
        DefaultMQPullConsumer puller = c.puller(c.group());
        MessageQueue own = puller.fetchSubscribeMessageQueues(c.topic()).iterator().next();
        MessageQueue delayed = new MessageQueue("SCHEDULE_TOPIC_XXXX", own.getBrokerName(), 17);
        Check.eventually(10, "the delayed message", () -> {
            for (long next = puller.minOffset(delayed); ; ) {
                var r = puller.pull(delayed, "*", next, 32);
                if (r.getPullStatus() != PullStatus.FOUND) {
                    return false;
                }
                if (r.getMsgFoundList().stream().anyMatch(m -> Inbox.body(m).equals("late-" + c.topic()))) {
                    return true;
                }
                next = r.getNextBeginOffset();
            }
        });
        for (String topic : List.of("TBW102", "SELF_TEST_TOPIC", "BenchmarkTest")) {
            var r = puller.pull(new MessageQueue(topic, own.getBrokerName(), 0), "*", 0, 1);
            Check.same(r.getPullStatus(), PullStatus.NO_NEW_MSG, "status of " + topic);
        }

        // A group fails; others consume what it failed on.
        DefaultMQPushConsumer failing = c.consumer(c.group("_failing"));
        failing.setMaxReconsumeTimes(1);
        failing.subscribe(c.topic(), "*");
        failing.registerMessageListener((MessageListenerConcurrently) (messages, context) -> ConsumeConcurrentlyStatus.RECONSUME_LATER);
        failing.start();
        Set<String> bodies = c.send(producer, c.topic(), "poison", 3);
        bodies.add("late-" + c.topic());
        Retrying.deadLetters(c, c.group("_failing"), 4);
        for (String topic : List.of("%RETRY%" + c.group("_failing"), "%DLQ%" + c.group("_failing"))) {
            Inbox inbox = new Inbox();
            c.consume(c.group(topic.startsWith("%R") ? "_retries" : "_dead"), topic, inbox);
            inbox.awaitExactly(bodies, 30);
            for (MessageExt m : inbox.all()) {
                Check.same(m.getTopic(), topic, "topic that another group sees");
            }
        }
    }

    /** From when to when a group has to consume. */
    static void timeSpan(Case c) throws Exception {
        c.createTopic(c.topic(), 2);
        long before = System.currentTimeMillis();
        Inbox inbox = new Inbox();
        c.consume(c.group(), c.topic(), inbox);
        inbox.awaitExactly(c.send(c.producer(), c.topic(), "span", 20), 30);
        DefaultMQAdminExt admin = c.admin();
        Check.eventually(20, "a span for both queues that ends at the last message", () -> {
            var spans = admin.queryConsumeTimeSpan(c.topic(), c.group());
            long good = spans.stream().filter(s -> s.getMinTimeStamp() >= before && s.getMaxTimeStamp() >= s.getMinTimeStamp()
                    && s.getConsumeTimeStamp() == s.getMaxTimeStamp() && s.getDelayTime() == 0).count();
            return spans.size() == 2 && good == 2;
        });
    }

    /** A listener rejects at once. */
    static void rejected(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        DefaultMQPushConsumer consumer = c.consumer(c.group());
        Inbox inbox = new Inbox();
        consumer.subscribe(c.topic(), "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            messages.forEach(inbox::add);
            context.setDelayLevelWhenNextConsume(-1);
            return ConsumeConcurrentlyStatus.RECONSUME_LATER;
        });
        consumer.start();
        SendResult sent = c.producer().send(Case.message(c.topic(), "rejected"));
        MessageExt dead = Retrying.deadLetters(c, c.group(), 1).get(0);
        Check.same(inbox.size(), 1, "deliveries");
        Check.same(dead.getReconsumeTimes(), 1, "tries");
        Check.same(dead.getProperty("RETRY_TOPIC"), c.topic(), "RETRY_TOPIC");
        Check.same(dead.getProperty("ORIGIN_MESSAGE_ID"), sent.getOffsetMsgId(), "ORIGIN_MESSAGE_ID");
        Check.same(dead.getProperty("DLQ_ORIGIN_TOPIC"), null, "DLQ_ORIGIN_TOPIC");
        Check.same(dead.getProperty("DELAY"), "0", "DELAY");
        var data = c.admin().examineTopicRouteInfo("%DLQ%" + c.group()).getQueueDatas().get(0);
        Check.same(data.getPerm(), 6, "permission of the dead-letter topic");
        Check.same(data.getWriteQueueNums(), 1, "its queues");
    }

    /** Dead letters are sent again, by the test that runs this program, to the group that failed and nobody else. */
    static void redriven(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        Inbox bystander = new Inbox();
        c.consume(c.group("_other"), c.topic(), bystander);
        Inbox inbox = new Inbox();
        boolean[] mended = {false};
        DefaultMQPushConsumer consumer = c.consumer(c.group());
        consumer.subscribe(c.topic(), "tag");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            if (!mended[0]) {
                context.setDelayLevelWhenNextConsume(-1);
                return ConsumeConcurrentlyStatus.RECONSUME_LATER;
            }
            messages.forEach(inbox::add);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        Set<String> bodies = new TreeSet<>();
        DefaultMQProducer producer = c.producer();
        for (int i = 0; i < 150; i++) {
            Message m = Case.message(c.topic(), String.format("dead-%04d", i));
            m.setTags("tag");
            m.putUserProperty("number", "" + i);
            producer.send(m);
            bodies.add(String.format("dead-%04d", i));
        }
        Retrying.deadLetters(c, c.group(), 150);
        bystander.awaitExactly(bodies, 30);
        mended[0] = true;
        c.ask("redrive", 120);
        inbox.awaitExactly(bodies, 30);
        for (MessageExt m : inbox.all()) {
            Check.same(m.getReconsumeTimes(), 0, "tries before");
            Check.same(m.getTopic(), c.topic(), "topic that the listener sees");
            Check.same(m.getProperty("DLQ_ORIGIN_TOPIC"), c.topic(), "DLQ_ORIGIN_TOPIC");
        }
        Check.same(bystander.size(), 150, "deliveries to the other group");
    }
}
