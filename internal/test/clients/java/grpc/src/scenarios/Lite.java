package scenarios;

import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicBoolean;

import org.apache.rocketmq.client.apis.ClientException;
import org.apache.rocketmq.client.apis.consumer.ConsumeResult;
import org.apache.rocketmq.client.apis.consumer.LitePushConsumer;
import org.apache.rocketmq.client.apis.consumer.OffsetOption;
import org.apache.rocketmq.client.apis.producer.Producer;

/** Lite topics. */
final class Lite {
    private Lite() {}

    private static void send(Producer producer, Case c, String lite, String body) throws Exception {
        producer.send(Dial.message(c.topic(), body).setLiteTopic(lite).build());
    }

    /** Messages come from the lite topics that are wanted, in order in each, and once more if one fails. */
    static void push(Case c, Dial d) throws Exception {
        Producer producer = d.producer(c.topic());
        for (int i = 0; i < 3; i++) {
            for (String lite : new String[] {"a", "b", "c"}) {
                send(producer, c, lite, lite + "-000" + i);
            }
        }
        Letters letters = new Letters();
        AtomicBoolean failed = new AtomicBoolean();
        LitePushConsumer consumer = d.lite(c.group(), c.topic(), m -> {
            if (Letters.body(m).equals("a-0001") && failed.compareAndSet(false, true)) {
                return ConsumeResult.FAILURE;
            }
            letters.add(m);
            return ConsumeResult.SUCCESS;
        });
        consumer.subscribeLite("a");
        consumer.subscribeLite("c", OffsetOption.MAX_OFFSET);
        Set<String> want = new TreeSet<>(Set.of("a-0000", "a-0001", "a-0002"));
        letters.awaitExactly(want, 60);
        letters.inOrder();
        letters.all().forEach(m -> Check.same(m.getLiteTopic().orElse(null), "a", "lite topic"));
        consumer.unsubscribeLite("a");
        send(producer, c, "a", "a-0003");
        send(producer, c, "c", "c-0003");
        want.add("c-0003");
        letters.awaitExactly(want, 30);
    }

    /** A group with lite.sub.wildcard gets the messages of all lite topics, shared among its clients, and names none. */
    static void wildcard(Case c, Dial d) throws Exception {
        Producer producer = d.producer(c.topic());
        send(producer, c, "a", "a-0000");
        send(producer, c, "b", "b-0000");
        Letters letters = new Letters();
        d.lite(c.group(), c.topic(), letters.listener());
        LitePushConsumer other = d.lite(c.group(), c.topic(), letters.listener());
        Set<String> want = new TreeSet<>(Set.of("a-0000", "b-0000"));
        letters.awaitExactly(want, 60);
        for (int i = 1; i < 4; i++) {
            for (String lite : new String[] {"a", "b", "c"}) {
                send(producer, c, lite, lite + "-000" + i);
                want.add(lite + "-000" + i);
            }
        }
        letters.awaitExactly(want, 30);
        letters.all().forEach(m -> Check.same(m.getLiteTopic().orElse(null), Letters.body(m).substring(0, 1), "lite topic"));
        try {
            other.subscribeLite("a");
        } catch (ClientException e) {
            return;
        }
        throw new AssertionError("a client of such a group could name a lite topic");
    }

    /** A lite topic that another client takes over is told to be gone, and no more messages of it come. */
    static void exclusive(Case c, Dial d) throws Exception {
        Producer producer = d.producer(c.topic());
        Letters first = new Letters();
        Letters second = new Letters();
        LitePushConsumer one = d.lite(c.group(), c.topic(), first.listener());
        one.subscribeLite("a");
        send(producer, c, "a", "1");
        first.awaitExactly(Set.of("1"), 30);
        LitePushConsumer other = d.lite(c.group(), c.topic(), second.listener());
        other.subscribeLite("a");
        Check.eventually(20, "the first one is told", () -> one.getLiteTopicSet().isEmpty());
        send(producer, c, "a", "2");
        second.awaitExactly(Set.of("2"), 30);
        first.awaitExactly(Set.of("1"), 1);
    }
}
