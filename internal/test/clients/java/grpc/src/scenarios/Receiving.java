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
import org.apache.rocketmq.client.apis.consumer.FilterExpressionType;
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
        Check.same(Letters.bodies(consumer.receive(16, Dial.INVISIBLE)), List.of(), "what came after it was acknowledged");
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
        Check.same(Letters.bodies(consumer.receive(16, Dial.INVISIBLE)), List.of(), "what came while it was out of sight");
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
        Check.same(Letters.bodies(consumer.receive(1, Dial.INVISIBLE)), List.of(), "what came after the last attempt");
        c.ask("look", 60);
    }

    /** A receive that waits must return as soon as a message is there. */
    static void longPoll(Case c, Dial d) throws Exception {
        Producer producer = d.producer(c.topic());
        SimpleConsumer consumer = d.simple(c.group(), c.topic());
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

    static void tagFilter(Case c, Dial d) throws Exception {
        Producer producer = d.producer(c.topic());
        Set<String> want = new TreeSet<>();
        for (int i = 0; i < 16; i++) {
            String tag = "Tag" + (char) ('A' + i % 4);
            producer.send(Dial.message(c.topic(), tag + "-" + i).setTag(tag).build());
            if (i % 2 == 0) {
                want.add(tag + "-" + i);
            }
        }
        SimpleConsumer consumer = d.simple(c.group(), c.topic(), new FilterExpression("TagA || TagC", FilterExpressionType.TAG));
        Dial.receiveExactly(consumer, want);
    }

    static void sqlFilter(Case c, Dial d) throws Exception {
        Producer producer = d.producer(c.topic());
        Set<String> want = new TreeSet<>();
        for (int i = 0; i < 20; i++) {
            String colour = i % 2 == 0 ? "red" : "blue";
            producer.send(Dial.message(c.topic(), "number-" + i).addProperty("n", String.valueOf(i)).addProperty("colour", colour).build());
            if (i >= 10 && i % 2 == 0) {
                want.add("number-" + i);
            }
        }
        SimpleConsumer consumer = d.simple(c.group(), c.topic(), new FilterExpression("n >= 10 AND colour = 'red'", FilterExpressionType.SQL92));
        Dial.receiveExactly(consumer, want);
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

    static void resume(Case c, Dial d) throws Exception {
        Producer producer = d.producer(c.topic());
        SimpleConsumer first = d.simple(c.group(), c.topic());
        Dial.receiveExactly(first, Dial.send(producer, c.topic(), "before", 10));
        first.close();
        Set<String> behind = Dial.send(producer, c.topic(), "behind", 10);
        Dial.receiveExactly(d.simple(c.group(), c.topic()), behind);
    }
}
