package scenarios;

import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.client.apis.ClientException;
import org.apache.rocketmq.client.apis.consumer.ConsumeResult;
import org.apache.rocketmq.client.apis.producer.Producer;
import org.apache.rocketmq.client.apis.producer.SendReceipt;
import org.apache.rocketmq.client.apis.producer.Transaction;
import org.apache.rocketmq.client.apis.producer.TransactionResolution;

/** What a producer does beyond sending at once. */
final class Publishing {
    private Publishing() {}

    /** The original counts in seconds and may be one early or some late. */
    static void delay(Case c, Dial d) throws Exception {
        Map<String, Long> came = new ConcurrentHashMap<>();
        Letters letters = new Letters();
        d.push(c.group(), c.topic(), m -> {
            came.put(Letters.body(m), System.currentTimeMillis());
            letters.add(m);
            return ConsumeResult.SUCCESS;
        });
        Producer producer = d.producer(c.topic());
        long now = System.currentTimeMillis();
        for (int seconds : new int[] {6, 3}) {
            producer.send(Dial.message(c.topic(), "after-" + seconds).setDeliveryTimestamp(now + seconds * 1000).build());
        }
        letters.awaitExactly(Set.of("after-3", "after-6"), 40);
        came.forEach((body, at) -> {
            long late = at - now - Long.parseLong(body.substring("after-".length())) * 1000;
            c.note(body + " came " + late + " ms behind its time");
            Check.that(late > -1100 && late < 6000, "%s came %d ms behind its time", body, late);
        });
        letters.all().forEach(m -> Check.that(m.getDeliveryTimestamp().isPresent(), "%s has no delivery timestamp", Letters.body(m)));
    }

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

    static void transaction(Case c, Dial d) throws Exception {
        Producer producer = d.producer(m -> TransactionResolution.UNKNOWN, c.topic());
        Letters letters = new Letters();
        d.push(c.group(), c.topic(), letters.listener());
        Transaction yes = producer.beginTransaction();
        SendReceipt sent = producer.send(Dial.message(c.topic(), "yes").setTag("tag").setKeys("key").build(), yes);
        Transaction no = producer.beginTransaction();
        producer.send(Dial.message(c.topic(), "no").build(), no);
        Thread.sleep(500);
        Check.same(Letters.bodies(letters.all()).size(), 0, "messages before the commit");
        yes.commit();
        no.rollback();
        letters.awaitExactly(Set.of("yes"), 30);
        Check.same(letters.all().get(0).getMessageId().toString(), sent.getMessageId().toString(), "id");
        Check.same(letters.all().get(0).getTag().orElse(null), "tag", "tag");
    }

    /** Transactions that are left open are asked for. */
    static void transactionCheck(Case c, Dial d) throws Exception {
        Set<String> asked = ConcurrentHashMap.newKeySet();
        Producer producer = d.producer(m -> {
            asked.add(Letters.body(m));
            return Letters.body(m).equals("yes") ? TransactionResolution.COMMIT : TransactionResolution.ROLLBACK;
        }, c.topic());
        Letters letters = new Letters();
        d.push(c.group(), c.topic(), letters.listener());
        for (String body : new String[] {"yes", "no"}) {
            producer.send(Dial.message(c.topic(), body).build(), producer.beginTransaction());
        }
        Check.eventually(40, "both are asked for", () -> asked.equals(Set.of("yes", "no")));
        letters.awaitExactly(Set.of("yes"), 20);
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
