package scenarios;

import java.util.Set;
import org.apache.rocketmq.client.apis.ClientException;
import org.apache.rocketmq.client.apis.consumer.ConsumeResult;
import org.apache.rocketmq.client.apis.message.Message;
import org.apache.rocketmq.client.apis.producer.Producer;
import org.apache.rocketmq.client.apis.producer.SendReceipt;

/** What a producer does beyond sending at once. */
final class Publishing {
    private Publishing() {}

    static void recall(Case c, Dial d) throws Exception {
        Letters letters = new Letters();
        d.push(c.group(), c.topic(), letters.listener());
        Producer producer = d.producer(c.topic());
        long at = System.currentTimeMillis() + 6000;
        SendReceipt recalled = producer.send(Dial.message(c.topic(), "recalled").setDeliveryTimestamp(at).build());
        SendReceipt kept = producer.send(Dial.message(c.topic(), "kept").setDeliveryTimestamp(at + 1000).build());
        Check.same(producer.recallMessage(c.topic(), recalled.getRecallHandle()).getMessageId().toString(), recalled.getMessageId().toString(), "id");
        letters.awaitExactly(Set.of("kept"), 30);
        refused("50001", () -> producer.recallMessage(c.topic(), kept.getRecallHandle()));
    }

    /**
     * What a message at most once finds waiting gets it, stores nothing and does not try again; messages beside it
     * that are stored all come. The client acknowledges both alike.
     */
    static void atMostOnce(Case c, Dial d) throws Exception {
        Producer producer = d.producer(c.topic());
        Letters letters = new Letters();
        d.push(c.group(), c.topic(), m -> {
            letters.add(m);
            return Letters.body(m).startsWith("failing") ? ConsumeResult.FAILURE : ConsumeResult.SUCCESS;
        });
        Set<String> stored = Dial.send(producer, c.topic(), "first", 4);
        letters.await(stored, 30);
        Thread.sleep(1000); // until it waits again
        for (int i = 0; i < 20; i++) {
            producer.send(passing(c, "passing-" + i));
            stored.addAll(Dial.send(producer, c.topic(), "stored" + i, 1));
            Thread.sleep(100);
        }
        letters.await(stored, 30);
        Thread.sleep(1000);
        producer.send(passing(c, "failing"));
        letters.await(Set.of("failing"), 10);
        Thread.sleep(3000); // the group tries again after one
        Set<String> passed = letters.distinct();
        passed.removeAll(stored);
        c.note((passed.size() - 1) + " of 20 at most once arrived");
        Check.that(passed.size() > 1, "of the first 20 at most once none arrived");
        Check.same(letters.size(), letters.distinct().size(), "deliveries");
        Check.same(c.read(c.topic(), stored.size()).size(), stored.size(), "messages stored");
    }

    private static Message passing(Case c, String body) {
        return Dial.message(c.topic(), body).addProperty("QOS", "0").build();
    }

    /** The client looks at what the route says a topic takes, so the server's own check is not reached. */
    static void typeRefused(Case c, Dial d) throws Exception {
        Producer producer = d.producer(c.topic(), c.topic("_DELAY"), c.topic("_NORMAL"));
        refused("", () -> producer.send(Dial.message(c.topic(), "normal").build()));
        refused("", () -> producer.send(Dial.message(c.topic("_DELAY"), "normal").build()));
        refused("", () -> producer.send(Dial.message(c.topic("_NORMAL"), "ordered").setMessageGroup("a").build()));
        producer.send(Dial.message(c.topic("_NORMAL"), "normal").build());
        producer.send(Dial.message(c.topic(), "ordered").setMessageGroup("a").build());
    }

    static void missingTopic(Case c, Dial d) throws Exception {
        refused("40402", () -> d.producer(c.topic()));
        Producer producer = d.producer();
        refused("40402", () -> producer.send(Dial.message(c.topic(), "x").build()));
    }

    /** The call must fail, with this status if the server said so. */
    private static void refused(String status, Check.Call call) throws Exception {
        try {
            call.run();
        } catch (ClientException | IllegalArgumentException | IllegalStateException e) {
            for (Throwable t = e; t != null; t = t.getCause()) {
                if (String.valueOf(t).contains(status)) {
                    return;
                }
            }
            throw new AssertionError("want " + status, e);
        }
        throw new AssertionError("was accepted, want refusal " + status);
    }
}
