package scenarios;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.apache.rocketmq.common.message.MessageExt;
import scenarios.Transport.Member;
import scenarios.Transport.Sender;
import scenarios.Transport.Terms;
import scenarios.Transport.Verdict;

/** What clients of either protocol do alike, with what they or the other's clients have sent. */
final class Shared {
    private Shared() {}

    private static final class Letters extends Received<Letter> {
        Letters() {
            super(m -> m.body);
        }

        boolean take(Letter m) {
            add(m);
            return true;
        }
    }

    private static Set<String> send(Sender sender, String label, int count) throws Exception {
        Set<String> bodies = new TreeSet<>();
        for (int i = 0; i < count; i++) {
            String body = String.format("%s-%04d", label, i);
            sender.send(new Letter(body));
            bodies.add(body);
        }
        return bodies;
    }

    /** The plainest use of a client. Topic and group are there already. */
    static void push(Case c, Transport from, Transport to) throws Exception {
        Sender sender = from.sender();
        Set<String> bodies = send(sender, "early", 9);
        Letter rich = new Letter("rich").tag("tag").keys("key1", "key2").property("colour", "green");
        sender.send(rich);
        bodies.add(rich.body);
        Letters got = new Letters();
        to.consume(Terms.ALL, got::take);
        bodies.addAll(send(sender, "late", 10));
        got.awaitExactly(bodies, 30);
        for (Letter m : got.all()) {
            Check.same(m.attempt, 1, "delivery attempt");
            if (m.body.equals(rich.body)) {
                m.isAsSent(rich);
            }
        }
    }

    static void tagFilter(Case c, Transport from, Transport to) throws Exception {
        Sender sender = from.sender();
        Set<String> want = new TreeSet<>();
        for (int i = 0; i < 60; i++) {
            String tag = "Tag" + (char) ('A' + i % 4);
            sender.send(new Letter(tag + "-" + i).tag(tag));
            if (i % 2 == 0) {
                want.add(tag + "-" + i);
            }
        }
        send(sender, "no tag", 5);
        Letters got = new Letters();
        to.consume(Terms.tags("TagA || TagC"), got::take);
        got.awaitExactly(want, 40);
        // Who waits must let the wrong tag pass and wake for the right one.
        sender.send(new Letter("TagB-100").tag("TagB"));
        sender.send(new Letter("TagA-101").tag("TagA"));
        want.add("TagA-101");
        got.awaitExactly(want, 20);
    }

    static void sqlFilter(Case c, Transport from, Transport to) throws Exception {
        Sender sender = from.sender();
        Set<String> want = new TreeSet<>();
        for (int i = 0; i < 60; i++) {
            Letter m = new Letter("number-" + i).tag("Tag" + (char) ('A' + i % 3)).property("n", String.valueOf(i));
            if (i % 2 == 0) {
                m.property("color", i % 4 == 0 ? "red" : "it's blue");
            }
            sender.send(m);
            if (i >= 10 && i <= 40 && i % 4 != 0 && i % 3 != 2) {
                want.add(m.body);
            }
        }
        send(sender, "no properties", 5);
        Letters got = new Letters();
        to.consume(Terms.sql("n BETWEEN 10 AND 40 AND (color = 'it''s blue' OR color IS NULL) and TAGS in ('TagA', 'TagB')"), got::take);
        got.awaitExactly(want, 40);
        got.all().forEach(m -> Check.that(m.properties.containsKey("n"), "%s came without its properties", m.body));
    }

    static void resume(Case c, Transport from, Transport to) throws Exception {
        Sender sender = from.sender();
        Letters first = new Letters();
        Member member = to.consume(Terms.ALL, first::take);
        first.awaitExactly(send(sender, "before", 40), 40);
        member.leave();
        Set<String> behind = send(sender, "behind", 40);
        Letters second = new Letters();
        to.consume(Terms.ALL, second::take);
        second.awaitExactly(behind, 40);
    }

    /** Sends bodies such as a-0001, in the order that is their first letter. */
    private static Set<String> sendOrders(Sender sender, String orders, int each) throws Exception {
        Set<String> bodies = new TreeSet<>();
        for (int i = 0; i < each; i++) {
            for (String order : orders.split("")) {
                String body = String.format("%s-%04d", order, i);
                sender.send(new Letter(body).order(order));
                bodies.add(body);
            }
        }
        return bodies;
    }

    /** Two members take each order one by one. What changes hands may come twice; the first time counts. */
    static void ordered(Case c, Transport from, Transport to) throws Exception {
        Set<String> bodies = sendOrders(from.sender(), "abcdefgh", 25);
        Letters got = new Letters();
        Map<String, AtomicInteger> busy = new ConcurrentHashMap<>();
        AtomicInteger overlaps = new AtomicInteger();
        Predicate<Letter> listener = m -> {
            AtomicInteger inOrder = busy.computeIfAbsent(m.order, o -> new AtomicInteger());
            if (inOrder.incrementAndGet() > 1) {
                overlaps.incrementAndGet();
            }
            got.add(m);
            inOrder.decrementAndGet();
            return true;
        };
        for (int i = 0; i < 2; i++) {
            to.consume(Terms.ALL.inOrder(), listener);
        }
        got.await(bodies, 60);
        Check.same(overlaps.get(), 0, "messages of one order consumed at once");
        got.inOrder();
        got.all().forEach(m -> Check.same(m.order, m.body.substring(0, 1), "order"));
    }

    /** What cannot be consumed is set aside after two attempts; only then comes what is behind it. */
    static void orderedToDeadLetters(Case c, Transport from, Transport to) throws Exception {
        Set<String> bodies = sendOrders(from.sender(), "ab", 3);
        Letters tried = new Letters();
        Letters got = new Letters();
        to.consume(Terms.ALL.inOrder().attempts(2), m -> {
            if (m.order.equals("a")) {
                tried.add(m);
            }
            return !m.body.equals("a-0000") && got.take(m);
        });
        bodies.remove("a-0000");
        got.awaitExactly(bodies, 60);
        got.inOrder();
        Check.same(tried.bodies(), List.of("a-0000", "a-0000", "a-0001", "a-0002"), "attempts");
        MessageExt dead = Retrying.deadLetters(c, c.group(), 1).get(0);
        Check.same(Inbox.body(dead), "a-0000", "dead letter");
        Check.same(dead.getProperty("RETRY_TOPIC"), c.topic(), "RETRY_TOPIC");
    }

    static void toDeadLetters(Case c, Transport from, Transport to) throws Exception {
        Letter sent = new Letter("poison").tag("tag").keys("key").property("colour", "green");
        from.sender().send(sent);
        Letters tried = new Letters();
        to.consume(Terms.tags("tag").attempts(3), m -> !tried.take(m));
        MessageExt dead = Retrying.deadLetters(c, c.group(), 1).get(0);
        List<Letter> got = tried.all();
        Check.same(got.stream().map(m -> m.attempt).collect(Collectors.toList()), List.of(1, 2, 3), "delivery attempts");
        for (int i = 0; i < 3; i++) {
            got.get(i).isAsSent(sent);
            Check.that(i == 0 || got.get(i).came - got.get(i - 1).came > 800, "came back without a rest");
        }
        Check.same(Inbox.body(dead), "poison", "body of the dead letter");
        Check.same(dead.getTopic(), "%DLQ%" + c.group(), "its topic");
        Check.same(dead.getQueueId(), 0, "its queue");
        Check.same(dead.getKeys(), "key", "its keys");
        Check.same(dead.getTags(), "tag", "its tag");
        Check.same(dead.getUserProperty("colour"), "green", "its property");
        MessageExt origin = c.admin().viewMessage(c.topic(), dead.getProperty("ORIGIN_MESSAGE_ID"));
        Check.same(Inbox.body(origin), "poison", "body of the message of ORIGIN_MESSAGE_ID");
        for (String topic : new String[] {dead.getProperty("RETRY_TOPIC"), origin.getTopic()}) { // what was popped may name the retry topic
            Check.that(topic.endsWith(c.topic()), "came from %s", topic);
        }
    }

    /** The original counts in seconds and may be one early or some late. */
    static void delay(Case c, Transport from, Transport to) throws Exception {
        Letters got = new Letters();
        to.consume(Terms.ALL, got::take);
        Sender sender = from.sender();
        long now = System.currentTimeMillis();
        Map<String, Long> due = Map.of("after-6", now + 6000, "after-3", now + 3000);
        for (var m : due.entrySet()) {
            sender.send(new Letter(m.getKey()).at(m.getValue()));
        }
        got.awaitExactly(due.keySet(), 40);
        for (Letter m : got.all()) {
            long late = m.came - due.get(m.body);
            c.note(m.body + " came " + late + " ms behind its time");
            Check.that(late > -1100 && late < 10_000, "%s came %d ms behind its time", m.body, late);
            Check.that(m.at > 0, "%s has no time of delivery", m.body);
        }
    }

    static void transaction(Case c, Transport from, Transport to) throws Exception {
        Sender sender = from.sender(m -> Verdict.OPEN);
        Letters got = new Letters();
        to.consume(Terms.ALL, got::take);
        Letter yes = new Letter("yes").tag("tag").keys("key");
        sender.send(new Letter("no"), Verdict.ROLLBACK);
        sender.send(yes, Verdict.COMMIT);
        got.awaitExactly(Set.of("yes"), 30);
        got.all().get(0).isAsSent(yes);
    }

    /** Transactions that are left open are asked for until they are ended, and then no more. */
    static void transactionCheck(Case c, Transport from, Transport to) throws Exception {
        Letters asked = new Letters();
        Sender sender = from.sender(m -> {
            asked.add(m);
            if (m.body.equals("no")) {
                return Verdict.ROLLBACK;
            }
            return count(asked, "later") < 2 ? Verdict.OPEN : Verdict.COMMIT;
        });
        Letters got = new Letters();
        to.consume(Terms.ALL, got::take);
        Letter later = new Letter("later");
        sender.send(later, Verdict.OPEN);
        sender.send(new Letter("no"), Verdict.OPEN);
        got.awaitExactly(Set.of("later"), 40);
        got.all().get(0).isAsSent(later);
        Thread.sleep(7000); // two rounds of checks
        Check.same(count(asked, "later"), 2, "checks of what was committed");
        Check.same(count(asked, "no"), 1, "checks of what was rolled back");
        Check.same(got.size(), 1, "messages delivered");
    }

    private static int count(Letters letters, String body) {
        return (int) letters.bodies().stream().filter(body::equals).count();
    }
}
