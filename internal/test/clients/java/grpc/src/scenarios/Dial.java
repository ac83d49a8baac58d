package scenarios;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import org.apache.rocketmq.client.apis.ClientConfiguration;
import org.apache.rocketmq.client.apis.ClientConfigurationBuilder;
import org.apache.rocketmq.client.apis.ClientServiceProvider;
import org.apache.rocketmq.client.apis.StaticSessionCredentialsProvider;
import org.apache.rocketmq.client.apis.consumer.FilterExpression;
import org.apache.rocketmq.client.apis.consumer.MessageListener;
import org.apache.rocketmq.client.apis.consumer.LitePushConsumer;
import org.apache.rocketmq.client.apis.consumer.PushConsumer;
import org.apache.rocketmq.client.apis.consumer.SimpleConsumer;
import org.apache.rocketmq.client.apis.message.MessageBuilder;
import org.apache.rocketmq.client.apis.message.MessageView;
import org.apache.rocketmq.client.apis.producer.Producer;
import org.apache.rocketmq.client.apis.producer.TransactionChecker;

/** Clients of the gRPC protocol, which end when their scenario has ended. */
final class Dial {
    private static final ClientServiceProvider PROVIDER = ClientServiceProvider.loadService();

    /** Closes clients beside the scenarios, since that waits for polls that are under way. */
    private static final Executor CLOSER = Executors.newCachedThreadPool(task -> {
        Thread t = new Thread(task, "closer");
        t.setDaemon(true);
        return t;
    });

    /** For how long a call asks one broker: the least that servers accept, since the next call asks another. */
    static final Duration AWAIT = Duration.ofSeconds(5);

    /** The shortest time for which a server takes a message out of sight. */
    static final Duration INVISIBLE = Duration.ofSeconds(10);

    private final Case scenario;
    private final ClientConfiguration configuration;

    Dial(Case scenario, String endpoints, boolean tls) {
        this.scenario = scenario;
        ClientConfigurationBuilder builder = ClientConfiguration.newBuilder().setEndpoints(endpoints).enableSsl(tls)
                .setRequestTimeout(Duration.ofSeconds(10));
        String user = System.getenv("ROCKETMQ_ACCESS_KEY"); // whom the clients are; unset, they sign nothing
        if (user != null) {
            builder.setCredentialProvider(new StaticSessionCredentialsProvider(user, System.getenv("ROCKETMQ_SECRET_KEY")));
        }
        this.configuration = builder.build();
    }

    private <C extends AutoCloseable> C closed(C client) {
        scenario.atEnd(() -> CLOSER.execute(() -> {
            try {
                client.close();
            } catch (IllegalStateException e) {
                // The scenario has closed it.
            } catch (Exception e) {
                e.printStackTrace();
            }
        }));
        return client;
    }

    Producer producer(String... topics) throws Exception {
        return closed(PROVIDER.newProducerBuilder().setClientConfiguration(configuration).setTopics(topics).build());
    }

    Producer producer(TransactionChecker checker, String topic) throws Exception {
        return closed(PROVIDER.newProducerBuilder().setClientConfiguration(configuration).setTopics(topic)
                .setTransactionChecker(checker).build());
    }

    SimpleConsumer simple(String group, String topic) throws Exception {
        return simple(group, topic, FilterExpression.SUB_ALL);
    }

    SimpleConsumer simple(String group, String topic, FilterExpression filter) throws Exception {
        return simple(group, topic, filter, AWAIT);
    }

    SimpleConsumer simple(String group, String topic, FilterExpression filter, Duration await) throws Exception {
        return closed(PROVIDER.newSimpleConsumerBuilder().setClientConfiguration(configuration).setConsumerGroup(group)
                .setAwaitDuration(await).setSubscriptionExpressions(Map.of(topic, filter)).build());
    }

    PushConsumer push(String group, String topic, MessageListener listener) throws Exception {
        return push(group, topic, FilterExpression.SUB_ALL, listener);
    }

    PushConsumer push(String group, String topic, FilterExpression filter, MessageListener listener) throws Exception {
        return closed(PROVIDER.newPushConsumerBuilder().setClientConfiguration(configuration).setConsumerGroup(group)
                .setConsumptionThreadCount(4).setSubscriptionExpressions(Map.of(topic, filter))
                .setMessageListener(listener).build());
    }

    LitePushConsumer lite(String group, String topic, MessageListener listener) throws Exception {
        return closed(PROVIDER.newLitePushConsumerBuilder().setClientConfiguration(configuration).setConsumerGroup(group)
                .bindTopic(topic).setConsumptionThreadCount(4).setMessageListener(listener).build());
    }

    static MessageBuilder message(String topic, String body) {
        return PROVIDER.newMessageBuilder().setTopic(topic).setBody(body.getBytes(StandardCharsets.UTF_8));
    }

    /** Sends count messages and returns their bodies. */
    static Set<String> send(Producer producer, String topic, String label, int count) throws Exception {
        Set<String> bodies = new TreeSet<>();
        for (int i = 0; i < count; i++) {
            String body = String.format("%s-%04d", label, i);
            producer.send(message(topic, body).build());
            bodies.add(body);
        }
        return bodies;
    }

    /** Exactly these bodies must come, once each, however many calls it takes; they are acknowledged. */
    static List<MessageView> receiveExactly(SimpleConsumer consumer, Set<String> bodies) throws Exception {
        List<MessageView> all = new ArrayList<>();
        long end = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        while (all.size() < bodies.size() && System.nanoTime() < end) {
            for (MessageView m : consumer.receive(16, INVISIBLE)) {
                consumer.ack(m);
                all.add(m);
            }
        }
        Check.same(Letters.bodies(all), new ArrayList<>(new TreeSet<>(bodies)), "received bodies");
        return all;
    }

    /** Nothing may come for longer than a received message is at least invisible. */
    static void nothing(SimpleConsumer consumer, String what) throws Exception {
        for (long end = System.nanoTime() + INVISIBLE.plusSeconds(1).toNanos(); System.nanoTime() < end; ) {
            Check.same(Letters.bodies(consumer.receive(16, INVISIBLE)), List.of(), what);
        }
    }

    /** The next message, for some time out of sight. */
    static MessageView one(SimpleConsumer consumer, Duration invisible) throws Exception {
        List<MessageView> got = new ArrayList<>();
        Check.eventually(40, "a message comes", () -> {
            got.addAll(consumer.receive(1, invisible));
            return !got.isEmpty();
        });
        return got.get(0);
    }
}
