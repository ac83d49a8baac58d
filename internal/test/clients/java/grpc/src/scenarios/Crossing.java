package scenarios;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apache.rocketmq.client.apis.consumer.SimpleConsumer;
import org.apache.rocketmq.client.apis.producer.Producer;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** What one protocol sends, the other receives; see also {@link Shared}. */
final class Crossing {
    private Crossing() {}

    static void priorityToEndpoints(Case c, Dial d) throws Exception {
        DefaultMQProducer producer = c.producer();
        for (int i = 0; i < 4; i++) {
            Message m = Case.message(c.topic(), "priority-" + i);
            MessageAccessor.putProperty(m, "_SYS_MSG_PRIORITY_", String.valueOf(i));
            producer.send(m);
        }
        Receiving.highestFirst(d.simple(c.group(), c.topic()), 4);
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
        letters.inOrder();
        letters.all().forEach(m -> Check.same(m.getLiteTopic().orElse(null), "a", "lite topic"));
    }

    /** The priority is the queue's number; a client that pulls takes all queues in turn. */
    static void priorityToRemoting(Case c, Dial d) throws Exception {
        Producer producer = d.producer(c.topic());
        for (int i = 0; i < 4; i++) {
            producer.send(Dial.message(c.topic(), String.valueOf(i)).setPriority(i).build());
        }
        for (MessageExt m : c.read(c.topic(), 4)) {
            Check.same(m.getProperty("_SYS_MSG_PRIORITY_"), Inbox.body(m), "priority");
            Check.same(String.valueOf(m.getQueueId()), Inbox.body(m), "queue");
        }
    }

    /** A lite topic is a light queue to a client that pulls. */
    static void liteToRemoting(Case c, Dial d) throws Exception {
        Producer producer = d.producer(c.topic());
        for (int i = 0; i < 3; i++) {
            for (String lite : new String[] {"a", "b"}) {
                producer.send(Dial.message(c.topic(), lite + "-" + i).setLiteTopic(lite).build());
            }
        }
        DefaultMQPullConsumer puller = c.puller(c.group("_reader"));
        MessageQueue own = Light.queueOf(puller, c.topic());
        MessageQueue a = new MessageQueue("%LMQ%$" + c.topic() + "$a", own.getBrokerName(), 0);
        Check.same(Light.bodies(puller, a, 3), List.of("a-0", "a-1", "a-2"), "lite topic");
        MessageExt first = puller.pull(a, "*", 0, 1).getMsgFoundList().get(0);
        Check.same(first.getProperty("__LITE_TOPIC"), "a", "__LITE_TOPIC");
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
}
