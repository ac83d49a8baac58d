package scenarios;

import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.apis.consumer.ConsumeResult;
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
