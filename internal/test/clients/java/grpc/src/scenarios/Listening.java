package scenarios;

import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.apis.consumer.ConsumeResult;
import org.apache.rocketmq.client.apis.consumer.SimpleConsumer;
import org.apache.rocketmq.client.apis.message.MessageView;
import org.apache.rocketmq.client.apis.producer.Producer;

/** What a push consumer does. */
final class Listening {
    private Listening() {}

    static void push(Case c, Dial d) throws Exception {
        Letters letters = new Letters();
        Producer producer = d.producer(c.topic());
        Set<String> bodies = Dial.send(producer, c.topic(), "early", 10);
        d.push(c.group(), c.topic(), letters.listener());
        bodies.addAll(Dial.send(producer, c.topic(), "late", 10));
        letters.awaitExactly(bodies, 30);
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

    static void fifo(Case c, Dial d) throws Exception {
        Set<String> bodies = sendGroups(d.producer(c.topic()), c.topic(), "abc", 8);
        Letters letters = new Letters();
        d.push(c.group(), c.topic(), letters.listener());
        letters.awaitExactly(bodies, 60);
        Letters.inOrder(letters.all());
        letters.all().forEach(m -> Check.same(m.getMessageGroup().orElse(null), Letters.body(m).substring(0, 1), "message group"));
    }

    /** What cannot be consumed is set aside after two attempts; only then comes what is behind it. */
    static void fifoToDeadLetters(Case c, Dial d) throws Exception {
        Set<String> bodies = sendGroups(d.producer(c.topic()), c.topic(), "ab", 3);
        Letters tried = new Letters();
        Letters letters = new Letters();
        d.push(c.group(), c.topic(), m -> {
            if (Letters.body(m).startsWith("a")) {
                tried.add(m);
            }
            if (Letters.body(m).equals("a-0000")) {
                return ConsumeResult.FAILURE;
            }
            letters.add(m);
            return ConsumeResult.SUCCESS;
        });
        bodies.remove("a-0000");
        letters.awaitExactly(bodies, 60);
        Letters.inOrder(letters.all());
        List<String> a = tried.all().stream().map(Letters::body).collect(Collectors.toList());
        Check.same(a, List.of("a-0000", "a-0000", "a-0001", "a-0002"), "attempts");
        c.ask("look", 60);
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
                    Check.that(failed < 20, "gave a-0000 back %d times, and of the others got only %s", failed, Letters.bodies(done.all()));
                    failed++;
                }
                consumer.changeInvisibleDuration(m, Duration.ofSeconds(1));
            }
        }
        c.note("gave a-0000 back " + failed + " times");
        Check.same(Letters.bodies(done.all()), List.copyOf(bodies), "received bodies");
        Letters.inOrder(done.all());
    }

    static void toDeadLetters(Case c, Dial d) throws Exception {
        d.producer(c.topic()).send(Dial.message(c.topic(), "poison").build());
        Letters failed = new Letters();
        d.push(c.group(), c.topic(), m -> {
            failed.add(m);
            return ConsumeResult.FAILURE;
        });
        Check.eventually(60, "three attempts", () -> failed.all().size() >= 3);
        c.ask("look", 60);
        List<Integer> attempts = failed.all().stream().map(m -> m.getDeliveryAttempt()).collect(Collectors.toList());
        Check.same(attempts, List.of(1, 2, 3), "delivery attempts");
    }
}
