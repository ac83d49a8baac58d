package scenarios;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apache.rocketmq.client.apis.consumer.ConsumeResult;
import org.apache.rocketmq.client.apis.consumer.SimpleConsumer;
import org.apache.rocketmq.client.apis.producer.Producer;
import org.apache.rocketmq.client.apis.producer.Transaction;
import org.apache.rocketmq.client.apis.producer.TransactionResolution;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** What one protocol sends, the other receives. */
final class Crossing {
    private Crossing() {}

    static void toEndpoints(Case c, Dial d) throws Exception {
        DefaultMQProducer producer = c.producer();
        Letters letters = new Letters();
        d.push(c.group(), c.topic(), letters.listener());
        Message m = new Message(c.topic(), "tag", "key1 key2", "normal".getBytes());
        m.putUserProperty("colour", "green");
        String id = producer.send(m).getMsgId();
        letters.awaitExactly(Set.of("normal"), 30);
        var got = letters.all().get(0);
        Check.same(got.getMessageId().toString(), id, "id");
        Check.same(got.getTag().orElse(null), "tag", "tag");
        Check.same(List.copyOf(got.getKeys()), List.of("key1", "key2"), "keys");
        Check.same(got.getProperties().get("colour"), "green", "property");

        Letters delayed = new Letters();
        d.push(c.group("_DELAY"), c.topic("_DELAY"), delayed.listener());
        Message later = Case.message(c.topic("_DELAY"), "delayed");
        long at = System.currentTimeMillis() + 3000;
        MessageAccessor.putProperty(later, "TIMER_DELIVER_MS", String.valueOf(at));
        producer.send(later);
        delayed.awaitExactly(Set.of("delayed"), 30);
        Check.that(System.currentTimeMillis() > at - 1100, "delayed came early");

        toEndpointsOrdered(c, d, producer);
        toEndpointsTransaction(c, d);
        toEndpointsPriority(c, d, producer);
    }

    private static void toEndpointsPriority(Case c, Dial d, DefaultMQProducer producer) throws Exception {
        for (int i = 0; i < 4; i++) {
            Message m = Case.message(c.topic("_PRIORITY"), "priority-" + i);
            MessageAccessor.putProperty(m, "_SYS_MSG_PRIORITY_", String.valueOf(i));
            producer.send(m);
        }
        Receiving.highestFirst(d.simple(c.group("_PRIORITY"), c.topic("_PRIORITY")), 4);
    }

    static void liteToEndpoints(Case c, Dial d) throws Exception {
        DefaultMQProducer producer = c.producer();
        Letters letters = new Letters();
        d.lite(c.group(), c.topic(), letters.listener()).subscribeLite("a");
        Set<String> want = new TreeSet<>();
        for (int i = 0; i < 3; i++) {
            for (String lite : new String[] {"a", "b"}) {
                Message m = Case.message(c.topic(), lite + "-000" + i);
                MessageAccessor.putProperty(m, "__LITE_TOPIC", lite);
                producer.send(m);
            }
            want.add("a-000" + i);
        }
        letters.awaitExactly(want, 30);
        Letters.inOrder(letters.all());
        letters.all().forEach(m -> Check.same(m.getLiteTopic().orElse(null), "a", "lite topic"));
    }

    private static void toEndpointsOrdered(Case c, Dial d, DefaultMQProducer producer) throws Exception {
        Set<String> bodies = new TreeSet<>();
        for (int i = 0; i < 8; i++) {
            for (String key : new String[] {"a", "b"}) {
                String body = String.format("%s-%04d", key, i);
                Message m = Case.message(c.topic("_FIFO"), body);
                MessageAccessor.putProperty(m, "__SHARDINGKEY", key);
                producer.send(m, (queues, message, arg) -> queues.get(arg.hashCode() % queues.size()), key);
                bodies.add(body);
            }
        }
        Letters ordered = new Letters();
        d.push(c.group("_FIFO"), c.topic("_FIFO"), ordered.listener());
        ordered.awaitExactly(bodies, 60);
        Letters.inOrder(ordered.all());
        ordered.all().forEach(m -> Check.same(m.getMessageGroup().orElse(null), Letters.body(m).substring(0, 1), "message group"));
    }

    private static void toEndpointsTransaction(Case c, Dial d) throws Exception {
        Letters committed = new Letters();
        d.push(c.group("_TRANSACTION"), c.topic("_TRANSACTION"), committed.listener());
        TransactionMQProducer producer = new TransactionMQProducer(c.group("_t"), Case.SIGNED);
        producer.setTransactionListener(new TransactionListener() {
            @Override
            public LocalTransactionState executeLocalTransaction(Message m, Object arg) {
                return (LocalTransactionState) arg;
            }

            @Override
            public LocalTransactionState checkLocalTransaction(MessageExt m) {
                return LocalTransactionState.UNKNOW;
            }
        });
        c.start(producer);
        producer.sendMessageInTransaction(Case.message(c.topic("_TRANSACTION"), "no"), LocalTransactionState.ROLLBACK_MESSAGE);
        producer.sendMessageInTransaction(Case.message(c.topic("_TRANSACTION"), "yes"), LocalTransactionState.COMMIT_MESSAGE);
        committed.awaitExactly(Set.of("yes"), 30);
    }

    static void toRemoting(Case c, Dial d) throws Exception {
        Producer producer = d.producer(c.topic(), c.topic("_FIFO"), c.topic("_DELAY"));
        Inbox inbox = new Inbox();
        c.consume(c.group(), c.topic(), inbox);
        String id = producer.send(Dial.message(c.topic(), "normal").setTag("tag").setKeys("key1", "key2").addProperty("colour", "green").build())
                .getMessageId().toString();
        inbox.awaitExactly(Set.of("normal"), 40);
        MessageExt got = inbox.all().get(0);
        Check.same(got.getMsgId(), id, "id");
        Check.same(got.getTags(), "tag", "tag");
        Check.same(got.getKeys(), "key1 key2", "keys");
        Check.same(got.getUserProperty("colour"), "green", "property");

        Inbox delayed = new Inbox();
        c.consume(c.group("_DELAY"), c.topic("_DELAY"), delayed);
        long at = System.currentTimeMillis() + 3000;
        producer.send(Dial.message(c.topic("_DELAY"), "delayed").setDeliveryTimestamp(at).build());
        delayed.awaitExactly(Set.of("delayed"), 40);
        Check.that(delayed.all().get(0).getStoreTimestamp() > at - 1100, "delayed was delivered early");

        toRemotingOrdered(c, producer);
        toRemotingTransaction(c, d);
        toRemotingPriority(c, d);
        toRemotingLite(c, d);
    }

    /** The priority is the queue's number; a client that pulls takes all queues in turn. */
    private static void toRemotingPriority(Case c, Dial d) throws Exception {
        Producer producer = d.producer(c.topic("_PRIORITY"));
        for (int i = 0; i < 4; i++) {
            producer.send(Dial.message(c.topic("_PRIORITY"), String.valueOf(i)).setPriority(i).build());
        }
        for (MessageExt m : c.read(c.topic("_PRIORITY"), 4)) {
            Check.same(m.getProperty("_SYS_MSG_PRIORITY_"), Inbox.body(m), "priority");
            Check.same(String.valueOf(m.getQueueId()), Inbox.body(m), "queue");
        }
    }

    /** A lite topic is a light queue to a client that pulls. */
    private static void toRemotingLite(Case c, Dial d) throws Exception {
        Producer producer = d.producer(c.topic("_LITE"));
        for (int i = 0; i < 3; i++) {
            for (String lite : new String[] {"a", "b"}) {
                producer.send(Dial.message(c.topic("_LITE"), lite + "-" + i).setLiteTopic(lite).build());
            }
        }
        DefaultMQPullConsumer puller = c.puller(c.group("_LITE_reader"));
        MessageQueue own = Light.queueOf(puller, c.topic("_LITE"));
        MessageQueue a = new MessageQueue("%LMQ%$" + c.topic("_LITE") + "$a", own.getBrokerName(), 0);
        Check.same(Light.bodies(puller, a, 3), List.of("a-0", "a-1", "a-2"), "lite topic");
        MessageExt first = puller.pull(a, "*", 0, 1).getMsgFoundList().get(0);
        Check.same(first.getProperty("__LITE_TOPIC"), "a", "__LITE_TOPIC");
    }

    private static void toRemotingOrdered(Case c, Producer producer) throws Exception {
        Set<String> bodies = new TreeSet<>();
        for (int i = 0; i < 8; i++) {
            for (String group : new String[] {"a", "b"}) {
                String body = String.format("%s-%04d", group, i);
                producer.send(Dial.message(c.topic("_FIFO"), body).setMessageGroup(group).build());
                bodies.add(body);
            }
        }
        Inbox ordered = new Inbox();
        DefaultMQPushConsumer consumer = c.consumer(c.group("_FIFO"));
        consumer.subscribe(c.topic("_FIFO"), "*");
        consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
            messages.forEach(ordered::add);
            return ConsumeOrderlyStatus.SUCCESS;
        });
        consumer.start();
        ordered.awaitExactly(bodies, 60);
        String[] last = new String[128];
        for (MessageExt m : ordered.all()) {
            String body = Inbox.body(m);
            Check.same(m.getProperty("__SHARDINGKEY"), body.substring(0, 1), "__SHARDINGKEY");
            Check.that(last[body.charAt(0)] == null || body.compareTo(last[body.charAt(0)]) > 0, "%s came behind %s", body, last[body.charAt(0)]);
            last[body.charAt(0)] = body;
        }
    }

    private static void toRemotingTransaction(Case c, Dial d) throws Exception {
        Inbox committed = new Inbox();
        c.consume(c.group("_TRANSACTION"), c.topic("_TRANSACTION"), committed);
        Producer producer = d.producer(m -> TransactionResolution.UNKNOWN, c.topic("_TRANSACTION"));
        for (String body : new String[] {"no", "yes"}) {
            Transaction t = producer.beginTransaction();
            producer.send(Dial.message(c.topic("_TRANSACTION"), body).build(), t);
            if (body.equals("yes")) {
                t.commit();
            } else {
                t.rollback();
            }
        }
        committed.awaitExactly(Set.of("yes"), 40);
    }

    /** A group goes on where it left, whichever protocol its members speak. */
    static void offsets(Case c, Dial d) throws Exception {
        Producer producer = d.producer(c.topic());
        Inbox first = new Inbox();
        DefaultMQPushConsumer consumer = c.consume(c.group(), c.topic(), first);
        first.awaitExactly(Dial.send(producer, c.topic(), "first", 10), 40);
        consumer.shutdown();

        Set<String> bodies = Dial.send(producer, c.topic(), "second", 10);
        SimpleConsumer simple = d.simple(c.group(), c.topic());
        Dial.receiveExactly(simple, bodies);
        simple.close();

        Inbox third = new Inbox();
        Set<String> last = Dial.send(producer, c.topic(), "third", 10);
        c.consume(c.group(), c.topic(), third);
        third.await(last, 40);
        Check.same(new ArrayList<>(third.distinct()), new ArrayList<>(last), "received bodies");
    }

    /** A dead letter of the gRPC protocol, read by the other one. */
    static void deadLetter(Case c, Dial d) throws Exception {
        d.producer(c.topic()).send(Dial.message(c.topic(), "poison").setTag("tag").setKeys("key").addProperty("colour", "green").build());
        d.push(c.group(), c.topic(), m -> ConsumeResult.FAILURE);
        MessageExt dead = Retrying.deadLetters(c, c.group(), 1).get(0);
        Check.same(Inbox.body(dead), "poison", "body of the dead letter");
        Check.same(dead.getKeys(), "key", "its keys");
        Check.same(dead.getTags(), "tag", "its tag");
        Check.same(dead.getUserProperty("colour"), "green", "its property");
    }
}
