package scenarios;

import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.RequestTimeoutException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.RequestCallback;
import org.apache.rocketmq.client.utils.MessageUtil;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageExt;

/** Requests through a topic, and replies that come back to who asked. */
final class Replying {
    private Replying() {}

    /** A consumer that answers every message but "silence". */
    private static void answer(Case c, String group, String topic) throws Exception {
        DefaultMQProducer replier = c.start(new DefaultMQProducer(c.group("_replier"), Case.SIGNED));
        DefaultMQPushConsumer consumer = c.consumer(group);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            for (MessageExt m : messages) {
                if (!Inbox.body(m).equals("silence")) {
                    try {
                        Message reply = MessageUtil.createReplyMessage(m, ("re: " + Inbox.body(m)).getBytes(StandardCharsets.UTF_8));
                        reply.putUserProperty("colour", "green");
                        replier.send(reply, 10_000);
                    } catch (Exception e) {
                        e.printStackTrace();
                    }
                }
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
    }

    /**
     * The reply to a question. While clients are starting the original may have no way to them yet, and then a
     * reply is lost for good; so the question is repeated.
     */
    private static Message ask(Case c, DefaultMQProducer producer, String question) throws Exception {
        for (int tries = 1; ; tries++) {
            try {
                return producer.request(Case.message(c.topic(), question), 8000);
            } catch (RequestTimeoutException e) {
                c.note("no reply to \"" + question + "\", try " + tries);
                if (tries == 5) {
                    throw e;
                }
            }
        }
    }

    static void request(Case c) throws Exception {
        c.createTopic(c.topic(), 2);
        answer(c, c.group(), c.topic());
        DefaultMQProducer producer = c.producer();
        DefaultMQProducer bystander = c.start(new DefaultMQProducer(c.group("_p"), Case.SIGNED)); // of the same group

        for (int i = 0; i < 10; i++) {
            Message reply = ask(c, producer, "question " + i);
            Check.same(new String(reply.getBody(), StandardCharsets.UTF_8), "re: question " + i, "reply");
            Check.same(reply.getUserProperty("colour"), "green", "property of the reply");
            Check.that(reply.getProperty("PUSH_REPLY_TIME") != null, "reply without the time of pushing: %s", reply.getProperties());
            Check.that(reply.getProperty("ARRIVE_TIME") != null, "reply without the time of arrival: %s", reply.getProperties());
        }
        Message other = ask(c, bystander, "from another");
        Check.same(new String(other.getBody(), StandardCharsets.UTF_8), "re: from another", "reply to another member of the group");

        CompletableFuture<Message> later = new CompletableFuture<>();
        producer.request(Case.message(c.topic(), "asynchronous"), new RequestCallback() {
            @Override
            public void onSuccess(Message reply) {
                if (reply != null) { // 5.5 calls with null when the request is stored
                    later.complete(reply);
                }
            }

            @Override
            public void onException(Throwable e) {
                later.completeExceptionally(e);
            }
        }, 30_000);
        Check.same(new String(later.get(40, TimeUnit.SECONDS).getBody(), StandardCharsets.UTF_8), "re: asynchronous", "asynchronous reply");

        try {
            producer.request(Case.message(c.topic(), "silence"), 2000);
            throw new AssertionError("a reply to silence");
        } catch (RequestTimeoutException e) {
            // As it should be.
        }
    }

    /** A reply to somebody who is not there is refused. */
    static void gone(Case c) throws Exception {
        DefaultMQProducer producer = c.producer();
        Message m = MessageUtil.createReplyMessage(asked("10.255.255.1@nobody"), "too late".getBytes(StandardCharsets.UTF_8));
        Check.refused(1, () -> producer.send(m, 10_000));
        Message nameless = MessageUtil.createReplyMessage(asked("x"), "whose".getBytes(StandardCharsets.UTF_8));
        MessageAccessor.clearProperty(nameless, "REPLY_TO_CLIENT");
        Check.refused(1, () -> producer.send(nameless, 10_000));
    }

    private static Message asked(String client) {
        Message m = Case.message("any", "question");
        MessageAccessor.putProperty(m, "CLUSTER", "DefaultCluster");
        MessageAccessor.putProperty(m, "REPLY_TO_CLIENT", client);
        MessageAccessor.putProperty(m, "CORRELATION_ID", "c-1");
        MessageAccessor.putProperty(m, "TTL", "3000");
        return m;
    }
}
