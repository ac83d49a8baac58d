package scenarios;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** What Goddard does beyond RocketMQ. Topics and groups with their attributes are made before these run. */
final class Qualities {
    private Qualities() {}

    /** A message that is sent again, alone or in a batch, is stored and delivered once. */
    static void once(Case c) throws Exception {
        DefaultMQProducer producer = c.producer();
        Inbox inbox = new Inbox();
        c.consume(c.group(), c.topic(), inbox);
        Set<String> bodies = new TreeSet<>();
        List<Message> sent = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            Message m = Case.message(c.topic(), "once-" + i);
            SendResult first = producer.send(m);
            for (int k = 0; k < 3; k++) {
                SendResult again = producer.send(m);
                Check.same(again.getSendStatus(), SendStatus.SEND_OK, "status");
                Check.same(again.getMsgId(), first.getMsgId(), "id");
                Check.same(again.getOffsetMsgId(), first.getOffsetMsgId(), "offset id");
                Check.same(again.getMessageQueue(), first.getMessageQueue(), "queue");
                Check.same(again.getQueueOffset(), first.getQueueOffset(), "offset");
            }
            bodies.add("once-" + i);
            sent.add(m);
        }
        for (int i = 20; i < 30; i++) {
            sent.add(Case.message(c.topic(), "once-" + i));
            bodies.add("once-" + i);
        }
        producer.send(sent);
        producer.send(sent);
        inbox.awaitExactly(bodies, 30);
        Check.same(c.read(c.topic(), bodies.size()).size(), bodies.size(), "messages stored");
    }

    static Message atMostOnce(Case c, String body) {
        Message m = Case.message(c.topic(), body);
        m.putUserProperty("QOS", "0");
        return m;
    }

    static void passes(DefaultMQProducer producer, Message m) throws Exception {
        SendResult r = producer.send(m);
        Check.same(r.getSendStatus(), SendStatus.SEND_OK, "status");
        Check.same(r.getQueueOffset(), -1L, "offset of a message that is not stored");
    }

    /** What a group has committed in all queues of the topic. */
    private static long committed(Case c, String group) throws Exception {
        long sum = 0;
        for (var e : c.admin().examineConsumeStats(group).getOffsetTable().entrySet()) {
            if (e.getKey().getTopic().equals(c.topic())) {
                sum += e.getValue().getConsumerOffset();
            }
        }
        return sum;
    }

    private static DefaultMQPushConsumer start(Case c, Inbox inbox, boolean orderly, int millis) throws Exception {
        DefaultMQPushConsumer consumer = c.consumer(c.group());
        consumer.subscribe(c.topic(), "*");
        if (orderly) {
            consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
                pause(millis);
                messages.forEach(inbox::add);
                return ConsumeOrderlyStatus.SUCCESS;
            });
        } else {
            consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
                pause(millis);
                messages.forEach(inbox::add);
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            });
        }
        consumer.start();
        return consumer;
    }

    private static void pause(int millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /**
     * Messages at most once beside stored ones: those that wait get them, nothing stored is lost or
     * repeated, and the offsets committed afterwards are right.
     */
    static void beside(Case c, boolean orderly, int millis) throws Exception {
        c.createTopic(c.topic(), 2);
        DefaultMQProducer producer = c.producer();
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = start(c, inbox, orderly, millis);
        Set<String> stored = c.send(producer, c.topic(), "first", 4);
        inbox.await(stored, 40);
        Thread.sleep(1000); // the next pulls are parked
        for (int i = 0; i < 20; i++) {
            String body = "stored-" + i;
            producer.send(Case.message(c.topic(), body));
            stored.add(body);
            passes(producer, atMostOnce(c, "passing-" + i));
            Thread.sleep(100);
        }
        inbox.await(stored, 60);
        // The last that a queue sees is not stored, and comes while the consumer works.
        String last = "last";
        producer.send(Case.message(c.topic(), last));
        stored.add(last);
        Thread.sleep(20);
        passes(producer, atMostOnce(c, "passing-last"));
        inbox.await(stored, 60);
        Check.eventually(30, "offsets committed", () -> committed(c, c.group()) == stored.size());
        long passing = inbox.bodies().stream().filter(b -> b.startsWith("passing")).count();
        c.note(passing + " of 21 at most once arrived");
        Check.that(passing > 0, "no message at most once arrived");
        Check.same(inbox.size() - passing, (long) stored.size(), "deliveries of stored messages");
        consumer.shutdown();
        Inbox second = new Inbox();
        start(c, second, orderly, 0);
        Set<String> more = c.send(producer, c.topic(), "more", 4);
        second.awaitExactly(more, 40);
        Check.same(c.read(c.topic(), stored.size() + more.size()).size(), stored.size() + more.size(), "messages stored");
    }

    /** What a consumer fails on does not come back, and is no dead letter. */
    static void failing(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        DefaultMQProducer producer = c.producer();
        DefaultMQPushConsumer consumer = c.consumer(c.group());
        AtomicInteger tries = new AtomicInteger();
        Inbox inbox = new Inbox();
        consumer.subscribe(c.topic(), "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            messages.forEach(inbox::add);
            if (messages.get(0).getUserProperty("QOS") != null) {
                tries.incrementAndGet();
                context.setDelayLevelWhenNextConsume(1);
                return ConsumeConcurrentlyStatus.RECONSUME_LATER;
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        inbox.await(c.send(producer, c.topic(), "first", 1), 40);
        Thread.sleep(1000);
        passes(producer, atMostOnce(c, "failing"));
        inbox.await(Set.of("failing"), 10);
        Thread.sleep(4000);
        Check.same(tries.get(), 1, "tries");
        Check.eventually(20, "offsets committed", () -> committed(c, c.group()) == 1);
    }

    /** Every member of a group that broadcasts, and one of one that does not. */
    static void everybody(Case c) throws Exception {
        c.createTopic(c.topic(), 2);
        DefaultMQProducer producer = c.producer();
        List<Inbox> all = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            Inbox inbox = new Inbox();
            DefaultMQPushConsumer consumer = c.consumer(c.group("_all"));
            consumer.setMessageModel(Enum.valueOf(consumer.getMessageModel().getDeclaringClass(), "BROADCASTING"));
            consumer.subscribe(c.topic(), "*");
            consumer.registerMessageListener(inbox.listener());
            consumer.start();
            all.add(inbox);
        }
        Inbox one = new Inbox();
        c.consume(c.group(), c.topic(), one);
        Set<String> stored = c.send(producer, c.topic(), "first", 4);
        for (Inbox inbox : all) {
            inbox.await(stored, 40);
        }
        one.await(stored, 40);
        Thread.sleep(1500);
        passes(producer, atMostOnce(c, "passing"));
        all.add(one);
        for (Inbox inbox : all) {
            inbox.await(Set.of("passing"), 10);
        }
        Thread.sleep(500);
        for (Inbox inbox : all) {
            Check.same(inbox.size(), stored.size() + 1, "deliveries");
        }
    }

    /** A lite pull consumer beside stored messages. */
    static void lite(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        DefaultMQProducer producer = c.producer();
        DefaultLitePullConsumer consumer = c.client(new DefaultLitePullConsumer(c.group(), Case.SIGNED));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setAutoCommitIntervalMillis(1000);
        consumer.subscribe(c.topic(), "*");
        consumer.start();
        List<String> got = Collections.synchronizedList(new ArrayList<>());
        Set<String> stored = c.send(producer, c.topic(), "first", 4);
        Check.eventually(40, "first messages", () -> poll(consumer, got).containsAll(stored));
        int passing = 0;
        for (int i = 0; i < 10; i++) {
            Thread.sleep(300);
            passes(producer, atMostOnce(c, "passing-" + i));
            poll(consumer, got);
            producer.send(Case.message(c.topic(), "stored-" + i));
            stored.add("stored-" + i);
            poll(consumer, got);
        }
        Check.eventually(40, "all messages", () -> poll(consumer, got).containsAll(stored));
        Thread.sleep(1000);
        passes(producer, atMostOnce(c, "passing-last"));
        Check.eventually(20, "offsets committed", () -> {
            poll(consumer, got);
            return committed(c, c.group()) == stored.size();
        });
        for (String body : got) {
            passing += body.startsWith("passing") ? 1 : 0;
        }
        Check.same(got.size() - passing, stored.size(), "stored messages polled");
        Check.that(passing > 0, "no message at most once arrived");
        c.note(passing + " of 11 at most once arrived");
        consumer.shutdown();
    }

    private static Collection<String> poll(DefaultLitePullConsumer consumer, List<String> got) {
        for (MessageExt m : consumer.poll(200)) {
            got.add(Inbox.body(m));
        }
        return new HashSet<>(got);
    }

    /** What cannot be had is refused with a reason. */
    static void refused(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        DefaultMQProducer producer = c.producer();
        Message odd = Case.message(c.topic(), "odd");
        odd.putUserProperty("QOS", "2");
        Check.refused(13, () -> producer.send(odd));
        Message late = atMostOnce(c, "late");
        late.setDelayTimeLevel(1);
        Check.refused(13, () -> producer.send(late));
        List<Message> mixed = List.of(Case.message(c.topic(), "a"), atMostOnce(c, "b"));
        Check.refused(13, () -> producer.send(mixed));
        producer.send(List.of(atMostOnce(c, "a"), atMostOnce(c, "b")));
    }

    /** A group with 20 messages a second: slower, complete, without errors. */
    static void slowPush(Case c, boolean orderly) throws Exception {
        c.createTopic(c.topic(), 2);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer first = start(c, inbox, orderly, 0);
        DefaultMQPushConsumer second = start(c, inbox, orderly, 0);
        Check.eventually(40, "a queue each", () -> Consuming.owned(first, c.topic()) == 1 && Consuming.owned(second, c.topic()) == 1);
        long from = System.nanoTime();
        Set<String> bodies = c.send(c.producer(), c.topic(), "slow", 120);
        Check.eventually(30, "the first message", () -> inbox.size() > 0);
        long begun = System.nanoTime();
        inbox.awaitExactly(bodies, 60);
        double seconds = (System.nanoTime() - begun) / 1e9 - 0.5;
        c.note(String.format("%d messages in %.1f s, %.1f s after the start", bodies.size(), seconds, (System.nanoTime() - from) / 1e9));
        Check.that(seconds > 4.5 && seconds < 12, "120 messages at 20 a second came in %.1f s", seconds);
    }

    static void slowLite(Case c) throws Exception {
        c.createTopic(c.topic(), 2);
        Set<String> bodies = c.send(c.producer(), c.topic(), "slow", 120);
        DefaultLitePullConsumer consumer = c.client(new DefaultLitePullConsumer(c.group(), Case.SIGNED));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(c.topic(), "*");
        consumer.start();
        List<String> got = new ArrayList<>();
        Check.eventually(30, "the first message", () -> !poll(consumer, got).isEmpty());
        long begun = System.nanoTime();
        Check.eventually(60, "all messages", () -> poll(consumer, got).containsAll(bodies));
        double seconds = (System.nanoTime() - begun) / 1e9;
        c.note(String.format("%d messages in %.1f s", got.size(), seconds));
        Check.same(got.size(), bodies.size(), "messages polled");
        Check.that(seconds > 4.5 && seconds < 12, "120 messages at 20 a second came in %.1f s", seconds);
        consumer.shutdown();
    }
}
