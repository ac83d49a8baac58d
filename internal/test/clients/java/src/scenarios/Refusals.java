package scenarios;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.apache.rocketmq.client.common.ClientErrorCode;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;

/** What a broker must not accept, with the code it says so with. */
final class Refusals {
    private static final int SYSTEM_BUSY = 2;
    private static final int MESSAGE_ILLEGAL = 13;
    private static final int NO_PERMISSION = 16;
    private static final int TOPIC_NOT_EXIST = 17;
    private static final int INVALID_PARAMETER = 29;

    private Refusals() {}

    static void tooBig(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        DefaultMQProducer producer = c.producer();
        producer.setMaxMessageSize(16 << 20);
        producer.setRetryTimesWhenSendFailed(0);
        byte[] body = new byte[5 << 20];
        new Random(1).nextBytes(body); // random bytes do not compress
        Check.refused(MESSAGE_ILLEGAL, () -> producer.send(new Message(c.topic(), body)));
        producer.send(new Message(c.topic(), new byte[10])); // and the connection goes on
    }

    static void propertiesTooBig(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        DefaultMQProducer producer = c.producer();
        producer.setRetryTimesWhenSendFailed(0);
        Message m = new Message(c.topic(), new byte[10]);
        m.putUserProperty("long", "x".repeat(33_000));
        Check.refused(MESSAGE_ILLEGAL, () -> producer.send(m));
    }

    /** The template is a topic without the inherit bit, so nothing is created from it. */
    static void missingTopic(Case c) throws Exception {
        c.createTopic(c.topic("_template"), 1);
        DefaultMQProducer producer = c.producer();
        producer.setCreateTopicKey(c.topic("_template"));
        producer.setRetryTimesWhenSendFailed(0);
        Check.refused(TOPIC_NOT_EXIST, () -> producer.send(Case.message(c.topic("_missing"), "x")));
    }

    /**
     * Needs a broker whose automatic creation of topics was switched off while it ran. It may go on to
     * offer the template, and refuse, or withdraw it, so that the client finds no route.
     */
    static void autoCreateOff(Case c) throws Exception {
        DefaultMQProducer producer = c.producer();
        try {
            producer.send(Case.message(c.topic(), "x"));
        } catch (MQClientException e) {
            if (e.getResponseCode() != ClientErrorCode.NOT_FOUND_TOPIC_EXCEPTION) {
                Check.refused(TOPIC_NOT_EXIST, () -> {
                    throw e;
                });
            }
            return;
        }
        throw new AssertionError("was accepted");
    }

    /** The client itself finds no queue to send to. */
    static void notWritable(Case c) throws Exception {
        c.createTopic(c.topic(), 1, 4);
        DefaultMQProducer producer = c.producer();
        try {
            producer.send(Case.message(c.topic(), "x"));
        } catch (MQClientException e) {
            return;
        }
        throw new AssertionError("was accepted");
    }

    /** The client does not know yet that the topic became read-only. */
    static void notWritableOldRoute(Case c) throws Exception {
        c.createTopic(c.topic(), 1, 4);
        DefaultMQProducer producer = c.producer();
        String broker = c.admin().examineBrokerClusterInfo().getBrokerAddrTable().keySet().iterator().next();
        MessageQueue q = new MessageQueue(c.topic(), broker, 0); // no route offers it
        Check.refused(NO_PERMISSION, () -> producer.send(Case.message(c.topic(), "x"), q));
    }

    static void notReadable(Case c) throws Exception {
        c.createTopic(c.topic(), 1, 2);
        MessageQueue q = c.producer().send(Case.message(c.topic(), "x")).getMessageQueue();
        DefaultMQPullConsumer puller = c.puller(c.group());
        Check.refused(NO_PERMISSION, () -> puller.pull(q, "*", 0, 1));
    }

    /** This machine may send 20 messages a second, and sends as fast as it can, then slower. */
    static void limited(Case c) throws Exception {
        c.createTopic(c.topic(), 1);
        DefaultMQProducer producer = c.producer();
        List<String> taken = new ArrayList<>();
        MQBrokerException e = Check.refused(SYSTEM_BUSY, () -> {
            for (int i = 0; i < 400; i++) {
                String body = "fast-" + i;
                producer.send(Case.message(c.topic(), body));
                taken.add(body);
            }
        });
        c.note(taken.size() + " messages, then " + e.getErrorMessage());
        Check.that(e.getErrorMessage().contains("address 127.0.0.1 may send 20 messages a second"), "the limit is not named: %s", e.getErrorMessage());
        Check.that(taken.size() >= 20, "refused after %d messages", taken.size());
        for (int i = 0; i < 10; i++) {
            Thread.sleep(100);
            String body = "slow-" + i;
            producer.send(Case.message(c.topic(), body));
            taken.add(body);
        }
        List<String> stored = new ArrayList<>();
        c.read(c.topic(), taken.size()).forEach(m -> stored.add(Inbox.body(m)));
        Check.same(stored, taken, "messages stored");
    }

    static void queueOutOfRange(Case c) throws Exception {
        c.createTopic(c.topic(), 2);
        DefaultMQProducer producer = c.producer();
        MessageQueue q = producer.send(Case.message(c.topic(), "x")).getMessageQueue();
        MessageQueue outside = new MessageQueue(q.getTopic(), q.getBrokerName(), 2);
        Check.refused(INVALID_PARAMETER, () -> producer.send(Case.message(c.topic(), "x"), outside));
    }
}
