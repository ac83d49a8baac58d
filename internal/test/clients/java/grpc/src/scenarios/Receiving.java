package scenarios;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.apis.consumer.FilterExpression;
import org.apache.rocketmq.client.apis.consumer.SimpleConsumer;
import org.apache.rocketmq.client.apis.message.MessageView;
import org.apache.rocketmq.client.apis.producer.Producer;

/** What a simple consumer does: receive, acknowledge, hide for another time. */
final class Receiving {
    private static final Duration SOON = Duration.ofSeconds(1);

    private Receiving() {}

    static void sendReceiveAck(Case c, Dial d) throws Exception {
        Producer producer = d.producer(c.topic());
        Map<String, String> ids = new HashMap<>();
        for (int i = 0; i < 10; i++) {
            var m = Dial.message(c.topic(), "body-" + i).setTag("tag").setKeys("key-" + i, "all").addProperty("colour", "green").build();
            ids.put("body-" + i, producer.send(m).getMessageId().toString());
        }
        Check.same(new TreeSet<>(ids.values()).size(), 10, "different ids");
        SimpleConsumer consumer = d.simple(c.group(), c.topic());
        for (MessageView m : Dial.receiveExactly(consumer, ids.keySet())) {
            String body = Letters.body(m);
            Check.same(m.getMessageId().toString(), ids.get(body), "id of " + body);
            Check.same(m.getTopic(), c.topic(), "topic");
            Check.same(m.getTag().orElse(null), "tag", "tag");
            Check.same(Set.copyOf(m.getKeys()), Set.of("key-" + body.substring(5), "all"), "keys");
            Check.same(m.getProperties().get("colour"), "green", "property");
            Check.same(m.getDeliveryAttempt(), 1, "delivery attempt");
            Check.that(Math.abs(System.currentTimeMillis() - m.getBornTimestamp()) < 60_000, "born at %d", m.getBornTimestamp());
            Check.that(!m.getBornHost().isEmpty(), "no host of birth");
        }
        Dial.nothing(consumer, "what came after it was acknowledged");
    }

    /** Out of sight for shorter and for longer. */
    static void changeInvisible(Case c, Dial d) throws Exception {
        Producer producer = d.producer(c.topic());
        SimpleConsumer consumer = d.simple(c.group(), c.topic());
        producer.send(Dial.message(c.topic(), "again").build());
        MessageView m = Dial.one(consumer, Duration.ofSeconds(30));
        Check.same(m.getDeliveryAttempt(), 1, "first delivery attempt");
        long from = System.nanoTime();
        consumer.changeInvisibleDuration(m, SOON);
        MessageView again = Dial.one(consumer, Dial.INVISIBLE);
        c.note("hidden for 1 s, again after " + TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - from) + " ms");
        Check.same(Letters.body(again), "again", "body");
        Check.same(again.getMessageId().toString(), m.getMessageId().toString(), "id");
        Check.same(again.getDeliveryAttempt(), 2, "second delivery attempt");
        consumer.changeInvisibleDuration(again, Duration.ofSeconds(40));
        Dial.nothing(consumer, "what came while it was out of sight");
        consumer.ack(again);
    }

    static void toDeadLetters(Case c, Dial d) throws Exception {
        d.producer(c.topic()).send(Dial.message(c.topic(), "poison").setTag("tag").setKeys("key").build());
        SimpleConsumer consumer = d.simple(c.group(), c.topic());
        for (int attempt = 1; attempt <= 2; attempt++) {
            MessageView m = Dial.one(consumer, Dial.INVISIBLE);
            Check.same(m.getDeliveryAttempt(), attempt, "delivery attempt");
            consumer.changeInvisibleDuration(m, SOON);
        }
        Dial.nothing(consumer, "what came after the last attempt");
        c.ask("look", 60);
    }

    /** A receive that waits must return as soon as a message is there. */
    static void longPoll(Case c, Dial d) throws Exception {
        Producer producer = d.producer(c.topic());
        SimpleConsumer consumer = d.simple(c.group(), c.topic(), FilterExpression.SUB_ALL, Duration.ofSeconds(15));
        long slowest = 0;
        for (int i = 0; i < 5; i++) {
            CompletableFuture<List<MessageView>> waiting = consumer.receiveAsync(1, Dial.INVISIBLE);
            Thread.sleep(700); // until it waits
            Check.that(!waiting.isDone(), "did not wait: %s", waiting);
            long from = System.nanoTime();
            producer.send(Dial.message(c.topic(), "wake-" + i).build());
            List<MessageView> got = waiting.get(20, TimeUnit.SECONDS);
            slowest = Math.max(slowest, System.nanoTime() - from);
            Check.same(Letters.bodies(got), List.of("wake-" + i), "what woke it");
            consumer.ack(got.get(0));
        }
        c.note("slowest of 5: " + TimeUnit.NANOSECONDS.toMillis(slowest) + " ms");
        Check.that(slowest < 4_000_000_000L, "a waiting consumer got its message after %d ms", slowest / 1_000_000);
    }

    /** The highest first, whatever was sent first. */
    static void priority(Case c, Dial d) throws Exception {
        Producer producer = d.producer(c.topic());
        for (int i = 0; i < 4; i++) {
            producer.send(Dial.message(c.topic(), "priority-" + i).setPriority(i).build());
        }
        highestFirst(d.simple(c.group(), c.topic()), 4);
    }

    /** Receives priority-0, priority-1 and so on, which were sent in this order with these priorities. */
    static void highestFirst(SimpleConsumer consumer, int count) throws Exception {
        Thread.sleep(500); // the original shows a message to readers a moment after it has acknowledged it
        for (int i = count - 1; i >= 0; i--) {
            MessageView m = Dial.one(consumer, Dial.INVISIBLE);
            Check.same(Letters.body(m), "priority-" + i, "what comes next");
            Check.same(m.getPriority().orElse(-1), i, "priority");
            consumer.ack(m);
        }
    }

    /** Sends bodies such as a-0001 in message groups named as their first letter. */
    private static Set<String> sendGroups(Producer producer, String topic, String groups, int each) throws Exception {
        Set<String> bodies = new TreeSet<>();
        for (int i = 0; i < each; i++) {
            for (String group : groups.split("")) {
                String body = String.format("%s-%04d", group, i);
                producer.send(Dial.message(topic, body).setMessageGroup(group).build());
                bodies.add(body);
            }
        }
        return bodies;
    }

    /** A message is given back again and again until all other message groups are done. */
    static void oneGroupFails(Case c, Dial d) throws Exception {
        Set<String> bodies = sendGroups(d.producer(c.topic()), c.topic(), "abcdefghij", 5);
        SimpleConsumer consumer = d.simple(c.group(), c.topic());
        Letters done = new Letters();
        int failed = 0;
        while (done.all().size() < bodies.size()) {
            boolean enough = failed >= 3 && done.all().size() >= bodies.size() - 5;
            for (MessageView m : consumer.receive(4, Dial.INVISIBLE)) {
                String body = Letters.body(m);
                if (!body.startsWith("a") || enough) {
                    consumer.ack(m);
                    done.add(m);
                    continue;
                }
                if (body.equals("a-0000")) {
                    Check.that(failed < 20, "gave a-0000 back %d times, and of the others got only %s", failed, done.bodies());
                    failed++;
                }
                consumer.changeInvisibleDuration(m, Duration.ofSeconds(1));
            }
        }
        c.note("gave a-0000 back " + failed + " times");
        Check.same(done.distinct(), bodies, "received bodies");
        done.inOrder();
    }
}
