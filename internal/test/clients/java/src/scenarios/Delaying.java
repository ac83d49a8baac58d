package scenarios;

import java.nio.charset.StandardCharsets;
import java.util.Set;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageExt;

/** Messages with a time of their own. The properties are set by name, since the 4.9 client has no setters for them. */
final class Delaying {
    private static final int MESSAGE_ILLEGAL = 13;
    private static final int ILLEGAL_OPERATION = 604;

    private Delaying() {}

    private static Message message(Case c, String body, String property, long value) {
        Message m = Case.message(c.topic(), body);
        MessageAccessor.putProperty(m, property, String.valueOf(value));
        return m;
    }

    /** The original counts in seconds and may be one early or some late. */
    static void ownTime(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        Inbox inbox = new Inbox();
        c.consume(c.group(), c.topic(), inbox);
        DefaultMQProducer producer = c.producer();
        long now = System.currentTimeMillis();
        producer.send(message(c, "moment", "TIMER_DELIVER_MS", now + 9000));
        producer.send(message(c, "milliseconds", "TIMER_DELAY_MS", 6000));
        Message first = message(c, "seconds", "TIMER_DELAY_SEC", 3);
        first.setTags("tag");
        first.putUserProperty("mine", "value");
        // Of several the seconds count.
        MessageAccessor.putProperty(first, "TIMER_DELAY_MS", "60000");
        producer.send(first);
        inbox.awaitExactly(Set.of("seconds", "milliseconds", "moment"), 40);
        int expected = 3000;
        for (MessageExt m : inbox.all()) {
            long waited = m.getStoreTimestamp() - now;
            Check.that(waited > expected - 1100 && waited < expected + 6000, "%s was delivered after %d ms, want some %d", Inbox.body(m), waited, expected);
            expected += 3000;
        }
        MessageExt m = inbox.all().get(0);
        Check.same(Inbox.body(m), "seconds", "first body");
        Check.same(m.getTopic(), c.topic(), "topic");
        Check.same(m.getTags(), "tag", "tag");
        Check.same(m.getProperty("mine"), "value", "user property");
        Check.same(m.getProperty("TIMER_DELAY_SEC"), "3", "TIMER_DELAY_SEC");
        Check.same(m.getProperty("REAL_TOPIC"), c.topic(), "REAL_TOPIC");
        Check.same(m.getProperty("REAL_QID"), "0", "REAL_QID");
        long out = Long.parseLong(m.getProperty("TIMER_OUT_MS"));
        Check.that(out > now + 1900 && out < now + 5000, "TIMER_OUT_MS is %d after the send", out - now);
        long enqueued = Long.parseLong(m.getProperty("TIMER_ENQUEUE_MS")) - now; // whole seconds with the original
        long dequeued = Long.parseLong(m.getProperty("TIMER_DEQUEUE_MS")) - now;
        Check.that(enqueued > -3000 && enqueued < 3000, "TIMER_ENQUEUE_MS is %d after the send", enqueued);
        Check.that(dequeued > 1500 && dequeued < 9000, "TIMER_DEQUEUE_MS is %d after the send", dequeued);
        Check.same(m.getReconsumeTimes(), 0, "tries");
    }

    /** What is over goes out at once, and a delay level wins over all of them. */
    static void overOrByLevel(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        Inbox inbox = new Inbox();
        c.consume(c.group(), c.topic(), inbox);
        DefaultMQProducer producer = c.producer();
        long now = System.currentTimeMillis();
        producer.send(message(c, "past", "TIMER_DELIVER_MS", now - 100_000));
        producer.send(message(c, "zero", "TIMER_DELAY_SEC", 0));
        producer.send(message(c, "negative", "TIMER_DELAY_MS", -5));
        Message level = message(c, "level", "TIMER_DELAY_SEC", 3600);
        level.setDelayTimeLevel(7); // two seconds in the tests' settings
        producer.send(level);
        inbox.awaitExactly(Set.of("past", "zero", "negative", "level"), 20);
        for (MessageExt m : inbox.all()) {
            long waited = m.getStoreTimestamp() - now;
            if (Inbox.body(m).equals("level")) {
                Check.that(waited > 1500, "the level was over after %d ms", waited);
                Check.same(m.getProperty("TIMER_DELAY_SEC"), null, "TIMER_DELAY_SEC beside a level");
            } else {
                Check.that(waited < 1500, "%s waited %d ms", Inbox.body(m), waited);
                Check.same(m.getProperty("TIMER_OUT_MS"), null, "TIMER_OUT_MS of what did not wait");
            }
        }
    }

    static void beyondTheLimit(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        DefaultMQProducer producer = c.producer();
        producer.setRetryTimesWhenSendFailed(0);
        long century = 100L * 365 * 24 * 3600;
        Check.refused(MESSAGE_ILLEGAL, () -> producer.send(message(c, "x", "TIMER_DELAY_SEC", century)));
        Check.refused(MESSAGE_ILLEGAL, () -> producer.send(message(c, "x", "TIMER_DELAY_MS", century * 1000)));
        Check.refused(MESSAGE_ILLEGAL, () -> producer.send(message(c, "x", "TIMER_DELIVER_MS", System.currentTimeMillis() + century * 1000)));
        Message m = Case.message(c.topic(), "x");
        MessageAccessor.putProperty(m, "TIMER_DELAY_SEC", "soon");
        Check.refused(MESSAGE_ILLEGAL, () -> producer.send(m));
    }

    /** Called by name, since the 4.9 client cannot recall. */
    static void recall(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        c.createTopic(c.topic("_other"), 1);
        Inbox inbox = new Inbox();
        c.consume(c.group(), c.topic(), inbox);
        DefaultMQProducer producer = c.producer();
        Message m = message(c, "recalled", "TIMER_DELAY_SEC", 6);
        SendResult sent = producer.send(m);
        String handle = handle(sent);
        Check.that(handle != null && !handle.isEmpty(), "no handle in %s", sent);
        String[] parts = new String(java.util.Base64.getUrlDecoder().decode(handle), StandardCharsets.UTF_8).split(" ");
        Check.same(parts.length, 5, "parts of the handle");
        Check.same(parts[0], "v1", "version of the handle");
        Check.same(parts[1], c.topic(), "topic of the handle");
        Check.same(parts[4], sent.getMsgId(), "id of the handle");
        SendResult kept = producer.send(message(c, "kept", "TIMER_DELAY_SEC", 6));
        Check.same(handle(producer.send(Case.message(c.topic(), "now"))), null, "handle of a message that does not wait");
        Check.same(recall(producer, c.topic(), handle), sent.getMsgId(), "id of the recall");
        Check.refused(ILLEGAL_OPERATION, () -> recall(producer, c.topic("_other"), handle));
        Check.refused(ILLEGAL_OPERATION, () -> recall(producer, c.topic(), handleOf("elsewhere", parts)));
        inbox.awaitExactly(Set.of("now", "kept"), 20);
        Check.refused(ILLEGAL_OPERATION, () -> recall(producer, c.topic(), handle(kept)));
    }

    private static String handleOf(String broker, String[] parts) {
        String text = String.join(" ", parts[0], parts[1], broker, parts[3], parts[4]);
        return java.util.Base64.getUrlEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }

    private static String handle(SendResult sent) throws Exception {
        return (String) SendResult.class.getMethod("getRecallHandle").invoke(sent);
    }

    private static String recall(DefaultMQProducer producer, String topic, String handle) throws Exception {
        try {
            return (String) DefaultMQProducer.class.getMethod("recallMessage", String.class, String.class).invoke(producer, topic, handle);
        } catch (java.lang.reflect.InvocationTargetException e) {
            throw (Exception) e.getCause();
        }
    }
}
