package scenarios;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.AckResult;
import org.apache.rocketmq.client.consumer.AckStatus;
import org.apache.rocketmq.client.consumer.PopResult;
import org.apache.rocketmq.client.consumer.PopStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.protocol.subscription.SubscriptionGroupConfig;

/** Messages that are taken one by one instead of by offset; only clients of 5.x can. */
final class Popping {
    private static final int SUBSCRIPTION_PARSE_FAILED = 23;

    private Popping() {}

    /** Scenarios by name, for the table of all. */
    static Map<String, Scenario> table() {
        Map<String, Scenario> t = new LinkedHashMap<>();
        t.put("pop_ack", Popping::ack);
        t.put("pop_batch_ack", Popping::batchAck);
        t.put("pop_redelivery", Popping::redelivery);
        t.put("pop_longer_invisible", Popping::longer);
        t.put("pop_shorter_invisible", Popping::shorter);
        t.put("pop_in_order", Popping::inOrder);
        t.put("pop_in_order_again", Popping::inOrderAgain);
        t.put("pop_wakes", Popping::wakes);
        t.put("pop_init_mode", Popping::initMode);
        t.put("pop_filter", Popping::filter);
        t.put("pop_peek_and_notification", Popping::peekAndNotification);
        t.put("pop_members_share", Popping::membersShare);
        t.put("pop_shared_queues", PopPushing::sharedQueues);
        t.put("pop_push", PopPushing::concurrently);
        t.put("pop_push_retry", PopPushing::retry);
        t.put("pop_push_orderly", PopPushing::orderly);
        t.put("pop_push_dead_letters", PopPushing::deadLetters);
        t.put("restart_with_pops", Popping::restart);
        t.put("pop_rate_push", PopPushing::slow);
        t.put("pop_at_most_once", PopPushing::atMostOnce);
        return t;
    }

    /** A group must be there before it can be given a mode. */
    static void createGroup(Case c, String group) throws Exception {
        var admin = c.admin();
        for (String addr : Case.brokers(admin)) {
            SubscriptionGroupConfig config = new SubscriptionGroupConfig();
            config.setGroupName(group);
            admin.createAndUpdateSubscriptionGroupConfig(addr, config);
        }
    }

    private static Popper popper(Case c, int queues) throws Exception {
        c.createTopic(c.topic(), queues);
        createGroup(c, c.group());
        return new Popper(c, c.topic(), c.group());
    }

    private static Set<String> bodies(List<MessageExt> messages) {
        return messages.stream().map(Inbox::body).collect(Collectors.toCollection(TreeSet::new));
    }

    private static List<String> receipts(List<MessageExt> messages) {
        return messages.stream().map(Popper::receipt).collect(Collectors.toList());
    }

    /** Pops until so many messages have come, all of them different. */
    private static List<MessageExt> popAll(Popper p, int count, long invisibleMillis, int seconds) throws Exception {
        List<MessageExt> all = new ArrayList<>();
        Check.eventually(seconds, count + " messages of " + p.topic, () -> {
            all.addAll(p.pop(32, invisibleMillis, 1000));
            return all.size() >= count;
        });
        Check.same(bodies(all).size(), count, "different messages in hand");
        Check.same(all.size(), count, "messages in hand");
        return all;
    }

    private static void nothing(Popper p, int seconds, String when) throws Exception {
        long end = System.nanoTime() + seconds * 1_000_000_000L;
        while (System.nanoTime() < end) {
            List<MessageExt> got = p.pop(32, 60_000, 1000);
            Check.that(got.isEmpty(), "%s: %s", when, bodies(got));
        }
    }

    static void ack(Case c) throws Exception {
        try (Popper p = popper(c, 3)) {
            Set<String> sent = c.send(c.producer(), c.topic(), "pop", 30);
            List<MessageExt> all = popAll(p, 30, 4000, 20);
            Check.same(bodies(all), sent, "bodies");
            for (MessageExt m : all) {
                String[] parts = Popper.receipt(m).split(" ");
                Check.same(parts.length, 8, "parts of the receipt " + Popper.receipt(m));
                Check.same(parts[2], "4000", "its invisible time");
                Check.same(parts[4], "0", "its kind of topic");
                Check.same(Integer.parseInt(parts[6]), m.getQueueId(), "its queue");
                Check.same(Long.parseLong(parts[7]), m.getQueueOffset(), "its offset");
                Check.same(m.getReconsumeTimes(), 0, "tries");
                Check.same(m.getTopic(), c.topic(), "topic");
                Check.same(m.getProperty("1ST_POP_TIME"), parts[1], "time of the first pop");
            }
            p.ackAll(all);
            Check.same(p.ack(Popper.receipt(all.get(0))), AckStatus.OK, "a second acknowledgement");
            nothing(p, 12, "after all was acknowledged");
        }
    }

    static void batchAck(Case c) throws Exception {
        try (Popper p = popper(c, 2)) {
            c.send(c.producer(), c.topic(), "batch", 40);
            List<MessageExt> all = popAll(p, 40, 5000, 20);
            List<MessageExt> kept = List.of(all.get(3), all.get(25));
            List<MessageExt> done = new ArrayList<>(all);
            done.removeAll(kept);
            Check.same(p.batchAck(receipts(done)), AckStatus.OK, "acknowledgement of many");
            List<MessageExt> again = popAll(p, 2, 60_000, 60);
            Check.same(bodies(again), bodies(kept), "what was not acknowledged");
            Check.same(p.batchAck(receipts(again)), AckStatus.OK, "acknowledgement of what came again");
            nothing(p, 5, "after all was acknowledged");
        }
    }

    static void redelivery(Case c) throws Exception {
        try (Popper p = popper(c, 2)) {
            Message sent = Case.message(c.topic(), "again");
            sent.setTags("tag");
            sent.setKeys("key");
            sent.putUserProperty("colour", "green");
            String id = c.producer().send(sent).getMsgId();
            String first = null;
            for (int tries = 0; tries < 3; tries++) {
                MessageExt m = popAll(p, 1, 3000, 60).get(0);
                Check.same(m.getReconsumeTimes(), tries, "tries before");
                Check.same(m.getTopic(), c.topic(), "topic");
                Check.same(m.getTags(), "tag", "tag");
                Check.same(m.getKeys(), "key", "keys");
                Check.same(m.getUserProperty("colour"), "green", "property");
                Check.same(m.getMsgId(), id, "id");
                Check.same(Popper.receipt(m).split(" ")[4], tries == 0 ? "0" : "1", "kind of topic in " + Popper.receipt(m));
                if (first == null) {
                    first = m.getProperty("1ST_POP_TIME");
                }
                Check.same(m.getProperty("1ST_POP_TIME"), first, "time of the first pop");
                if (tries == 2) {
                    Check.same(p.ack(Popper.receipt(m)), AckStatus.OK, "acknowledgement");
                }
            }
            nothing(p, 10, "after it was acknowledged");
        }
    }

    static void longer(Case c) throws Exception {
        try (Popper p = popper(c, 1)) {
            c.send(c.producer(), c.topic(), "longer", 1);
            MessageExt m = popAll(p, 1, 4000, 20).get(0);
            AckResult r = p.change(Popper.receipt(m), 20_000);
            Check.same(r.getStatus(), AckStatus.OK, "change");
            nothing(p, 15, "while it is invisible");
            Check.same(popAll(p, 1, 60_000, 60).get(0).getReconsumeTimes(), 1, "tries before");
        }
    }

    /** The receipt that a change answers with is good for an acknowledgement. */
    static void shorter(Case c) throws Exception {
        try (Popper p = popper(c, 1)) {
            c.send(c.producer(), c.topic(), "shorter", 2);
            List<MessageExt> all = popAll(p, 2, 120_000, 20);
            AckResult soon = p.change(Popper.receipt(all.get(0)), 1000);
            AckResult later = p.change(Popper.receipt(all.get(1)), 6000);
            Check.same(soon.getStatus(), AckStatus.OK, "change");
            Check.same(p.ack(later.getExtraInfo()), AckStatus.OK, "acknowledgement by the new receipt");
            List<MessageExt> again = popAll(p, 1, 120_000, 60);
            Check.same(bodies(again), bodies(all.subList(0, 1)), "what came again");
            p.ackAll(again);
            nothing(p, 8, "after all was acknowledged");
        }
    }

    static void inOrder(Case c) throws Exception {
        try (Popper p = popper(c, 1).queue(0).inOrder()) {
            Set<String> sent = c.send(c.producer(), c.topic(), "order", 10);
            List<MessageExt> first = p.attempt("one").pop(4, 30_000, 5000);
            Check.same(first.size(), 4, "first messages");
            Check.same(Popper.receipt(first.get(0)).split(" ")[3], "999", "revive queue of " + Popper.receipt(first.get(0)));
            Check.that(p.attempt("two").pop(4, 30_000, 1000).isEmpty(), "the queue is not blocked");
            List<MessageExt> same = p.attempt("one").pop(4, 30_000, 1000);
            Check.same(bodies(same), bodies(first), "for the same attempt");
            for (int i = 0; i < 3; i++) {
                Check.same(p.ack(Popper.receipt(same.get(i))), AckStatus.OK, "acknowledgement");
            }
            Check.that(p.attempt("three").pop(4, 30_000, 1000).isEmpty(), "the queue is not blocked by the last message");
            CompletableFuture<PopResult> waiting = p.attempt("four").ask(32, 30_000, 15_000);
            Thread.sleep(500);
            Check.same(p.ack(Popper.receipt(same.get(3))), AckStatus.OK, "acknowledgement");
            List<MessageExt> rest = Popper.found(Popper.wait(waiting));
            Check.same(rest.stream().map(Inbox::body).collect(Collectors.toList()), new ArrayList<>(sent).subList(4, 10), "the rest, in order");
            p.ackAll(rest);
            nothing(p, 2, "after all was acknowledged");
        }
    }

    /** What is not acknowledged in time comes again, in order, before anything else. */
    static void inOrderAgain(Case c) throws Exception {
        try (Popper p = popper(c, 1).queue(0).inOrder()) {
            List<String> sent = new ArrayList<>(c.send(c.producer(), c.topic(), "order", 6));
            List<MessageExt> first = p.attempt("one").pop(3, 3000, 5000);
            Check.same(p.ack(Popper.receipt(first.get(1))), AckStatus.OK, "acknowledgement out of turn");
            List<MessageExt> again = new ArrayList<>();
            Check.eventually(30, "what was not acknowledged", () -> again.addAll(p.attempt("two").pop(2, 60_000, 1000)));
            Check.same(Inbox.body(again.get(0)), sent.get(0), "first that came again");
            Check.same(again.get(0).getReconsumeTimes(), 1, "tries before");
            p.ackAll(again);
            List<MessageExt> rest = new ArrayList<>();
            Check.eventually(10, "the rest", () -> {
                List<MessageExt> some = p.attempt("n" + rest.size()).pop(32, 60_000, 1000);
                p.ackAll(some);
                rest.addAll(some);
                return bodies(rest).containsAll(sent.subList(3, 6));
            });
            List<String> order = rest.stream().map(Inbox::body).collect(Collectors.toList());
            Check.same(order, new ArrayList<>(new TreeSet<>(order)), "order of the rest");
        }
    }

    static void wakes(Case c) throws Exception {
        try (Popper p = popper(c, 4)) {
            DefaultMQProducer producer = c.producer();
            Check.same(Popper.wait(p.ask(1, 10_000, 0)).getPopStatus(), PopStatus.POLLING_NOT_FOUND, "without patience");
            long from = System.nanoTime();
            Check.same(Popper.wait(p.ask(1, 10_000, 2000)).getPopStatus(), PopStatus.POLLING_NOT_FOUND, "without messages");
            long waited = (System.nanoTime() - from) / 1_000_000;
            Check.that(waited > 1500, "an empty topic was answered for after %d ms", waited);
            long slowest = 0;
            for (int i = 0; i < 10; i++) {
                CompletableFuture<PopResult> waiting = p.ask(32, 30_000, 15_000);
                Thread.sleep(300);
                from = System.nanoTime();
                producer.send(Case.message(c.topic(), "wake-" + i));
                List<MessageExt> got = Popper.found(Popper.wait(waiting));
                slowest = Math.max(slowest, (System.nanoTime() - from) / 1_000_000);
                Check.same(bodies(got), Set.of("wake-" + i), "what woke the pop");
                p.ackAll(got);
            }
            c.note("slowest of 10: " + slowest + " ms");
            Check.that(slowest < 2000, "a parked pop got its message after %d ms", slowest);
        }
    }

    /** As for pulls, a young topic is read from its first message, whatever a new group wants. */
    static void initMode(Case c) throws Exception {
        try (Popper p = popper(c, 1)) {
            DefaultMQProducer producer = c.producer();
            Set<String> sent = c.send(producer, c.topic(), "before", 5);
            createGroup(c, c.group("_end"));
            try (Popper end = new Popper(c, c.topic(), c.group("_end")).initMode(1)) {
                List<MessageExt> first = popAll(end, 5, 60_000, 20);
                Check.same(bodies(first), sent, "messages of a group that begins at the end");
                end.ackAll(first);
                Set<String> behind = c.send(producer, c.topic(), "behind", 5);
                Check.same(bodies(popAll(end, 5, 60_000, 20)), behind, "messages sent meanwhile");
                sent.addAll(behind);
            }
            Check.same(bodies(popAll(p.initMode(0), 10, 60_000, 20)), sent, "messages of a group that begins at the first");
        }
    }

    static void filter(Case c) throws Exception {
        c.createTopic(c.topic(), 2);
        createGroup(c, c.group("_tag"));
        createGroup(c, c.group("_sql"));
        DefaultMQProducer producer = c.producer();
        Set<String> tagged = new TreeSet<>();
        Set<String> heavy = new TreeSet<>();
        for (int i = 0; i < 60; i++) {
            Message m = Case.message(c.topic(), "filter-" + i);
            m.setTags(i % 3 == 0 ? "A" : "B");
            m.putUserProperty("weight", Integer.toString(i));
            producer.send(m);
            if (i % 3 == 0) {
                tagged.add("filter-" + i);
            }
            if (i > 40) {
                heavy.add("filter-" + i);
            }
        }
        try (Popper p = new Popper(c, c.topic(), c.group("_tag")).filter("TAG", "A || C")) {
            Check.same(bodies(popAll(p, tagged.size(), 60_000, 20)), tagged, "by tag");
            CompletableFuture<PopResult> waiting = p.ask(32, 60_000, 10_000);
            Thread.sleep(300);
            Message other = Case.message(c.topic(), "other");
            other.setTags("B");
            producer.send(other);
            Message wanted = Case.message(c.topic(), "wanted");
            wanted.setTags("C");
            producer.send(wanted);
            Check.same(bodies(Popper.found(Popper.wait(waiting))), Set.of("wanted"), "what woke the pop");
            Check.refused(SUBSCRIPTION_PARSE_FAILED, () -> p.filter("SQL92", "weight >").pop(1, 1000, 0));
        }
        try (Popper p = new Popper(c, c.topic(), c.group("_sql")).filter("SQL92", "weight > 40")) {
            Check.same(bodies(popAll(p, heavy.size(), 60_000, 20)), heavy, "by property");
        }
    }

    static void peekAndNotification(Case c) throws Exception {
        try (Popper p = popper(c, 2)) {
            Check.that(p.peek(32).isEmpty(), "an empty topic shows messages");
            Check.same(Popper.wait(p.notification(0)), false, "an empty topic has something");
            CompletableFuture<Boolean> waiting = p.notification(15_000);
            Thread.sleep(300);
            long from = System.nanoTime();
            Set<String> sent = c.send(c.producer(), c.topic(), "peek", 6);
            Check.same(Popper.wait(waiting), true, "after a message was sent");
            long woke = (System.nanoTime() - from) / 1_000_000;
            Check.that(woke < 3000, "woke after %d ms", woke);
            for (int i = 0; i < 2; i++) {
                Check.eventually(10, "messages to peek at", () -> bodies(p.peek(32)).equals(sent));
            }
            Check.same(p.peek(4).size(), 4, "at most as many as asked for");
            p.ackAll(popAll(p, 6, 60_000, 20));
            Check.that(p.peek(32).isEmpty(), "shows messages that are in hand or done with");
            Check.same(Popper.wait(p.notification(0)), false, "has something that is in hand or done with");
        }
    }

    /** No message is in two hands, and none is left behind. */
    static void membersShare(Case c) throws Exception {
        try (Popper a = popper(c, 4); Popper b = new Popper(c, c.topic(), c.group())) {
            Set<String> sent = c.send(c.producer(), c.topic(), "share", 200);
            Set<String> got = new HashSet<>();
            List<String> twice = new ArrayList<>();
            Check.eventually(30, "all messages between two", () -> {
                var one = a.ask(8, 60_000, 500);
                var other = b.ask(8, 60_000, 500);
                for (var f : List.of(one, other)) {
                    for (MessageExt m : Popper.found(Popper.wait(f))) {
                        if (!got.add(Inbox.body(m))) {
                            twice.add(Inbox.body(m));
                        }
                        a.ack(Popper.receipt(m));
                    }
                }
                return got.size() == sent.size();
            });
            Check.same(twice, List.of(), "messages in two hands");
        }
    }

    static void restart(Case c) throws Exception {
        try (Popper p = popper(c, 2)) {
            DefaultMQProducer producer = c.producer();
            Set<String> sent = c.send(producer, c.topic(), "hand", 20);
            List<MessageExt> all = popAll(p, 20, 25_000, 20);
            p.ackAll(all.subList(0, 5));
            Thread.sleep(3000); // RocketMQ needs a moment before its state would survive
            c.ask("restart", 180);
            Check.eventually(60, "an acknowledgement by the restarted broker",
                    () -> p.ack(Popper.receipt(all.get(5))) == AckStatus.OK);
            p.ackAll(all.subList(6, 10));
            Set<String> again = new TreeSet<>();
            Set<String> left = bodies(all.subList(10, 20));
            Check.eventually(120, "what was in hand", () -> {
                for (MessageExt m : p.pop(32, 60_000, 1000)) {
                    again.add(Inbox.body(m));
                    p.ack(Popper.receipt(m));
                }
                return again.containsAll(left);
            });
            again.removeAll(left);
            c.note(again.size() + " of 10 acknowledged messages came again");
            Check.that(sent.containsAll(again), "strange messages %s", again);
        }
    }

    /** Queues in the words of the messages that assertions fail with. */
    static Set<String> names(Set<MessageQueue> queues) {
        return queues.stream().map(q -> Integer.toString(q.getQueueId())).collect(Collectors.toCollection(TreeSet::new));
    }
}
