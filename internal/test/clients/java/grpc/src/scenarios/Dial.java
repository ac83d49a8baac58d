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

    /** Longer than the shortest time a received message may be invisible. */
    static final Duration AWAIT = Duration.ofSeconds(14);

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
        return closed(PROVIDER.newSimpleConsumerBuilder().setClientConfiguration(configuration).setConsumerGroup(group)
                .setAwaitDuration(AWAIT).setSubscriptionExpressions(Map.of(topic, filter)).build());
    }

    PushConsumer push(String group, String topic, MessageListener listener) throws Exception {
        return closed(PROVIDER.newPushConsumerBuilder().setClientConfiguration(configuration).setConsumerGroup(group)
                .setConsumptionThreadCount(4).setSubscriptionExpressions(Map.of(topic, FilterExpression.SUB_ALL))
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

    /** Receives until it has as many as expected or nothing comes any more; acknowledges nothing. */
    static List<MessageView> receive(SimpleConsumer consumer, int count) throws Exception {
        List<MessageView> all = new ArrayList<>();
        while (all.size() < count) {
            List<MessageView> some = consumer.receive(16, INVISIBLE);
            if (some.isEmpty()) {
                break;
            }
            all.addAll(some);
        }
        return all;
    }

    /** Exactly these bodies must come, once each; they are acknowledged. */
    static List<MessageView> receiveExactly(SimpleConsumer consumer, Set<String> bodies) throws Exception {
        List<MessageView> all = receive(consumer, bodies.size());
        Check.same(Letters.bodies(all), new ArrayList<>(new TreeSet<>(bodies)), "received bodies");
        for (MessageView m : all) {
            consumer.ack(m);
        }
        return all;
    }

    /** The next message, for some time out of sight; it must come within {@link #AWAIT}. */
    static MessageView one(SimpleConsumer consumer, Duration invisible) throws Exception {
        List<MessageView> got = new ArrayList<>();
        Check.eventually((int) AWAIT.toSeconds(), "a message comes", () -> {
            got.addAll(consumer.receive(1, invisible));
            return !got.isEmpty();
        });
        return got.get(0);
    }
}
