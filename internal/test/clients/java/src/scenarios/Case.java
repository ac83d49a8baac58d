package scenarios;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.acl.common.AclClientRPCHook;
import org.apache.rocketmq.acl.common.SessionCredentials;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragely;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.remoting.RPCHook;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/** The surroundings of one run of a scenario: names of its own, clients that end with it. */
final class Case implements AutoCloseable {
    /** Signs what clients send as the user whom the environment names; null if it names none. */
    static final RPCHook SIGNED = signed(System.getenv("ROCKETMQ_ACCESS_KEY"), System.getenv("ROCKETMQ_SECRET_KEY"));

    private static final AtomicInteger INSTANCES = new AtomicInteger();

    final String nameServer;
    final String name;
    private final String prefix;
    private final List<Runnable> open = new ArrayList<>();
    private final BlockingQueue<String> signals = new LinkedBlockingQueue<>();
    private final Scenarios scenarios;

    Case(Scenarios scenarios, String nameServer, String prefix, String name) {
        this.scenarios = scenarios;
        this.nameServer = nameServer;
        this.prefix = prefix;
        this.name = name;
    }

    private static RPCHook signed(String user, String secret) {
        return user == null ? null : new AclClientRPCHook(new SessionCredentials(user, secret));
    }

    String topic(String suffix) {
        return prefix + "_" + name + suffix;
    }

    String topic() {
        return topic("");
    }

    String group(String suffix) {
        return "g_" + prefix + "_" + name + suffix;
    }

    String group() {
        return group("");
    }

    /** A client of its own for each, so that two consumers of a group are two members, and of other programs' clients. */
    <C extends ClientConfig> C client(C config) {
        config.setNamesrvAddr(nameServer);
        config.setInstanceName(prefix + "_" + INSTANCES.incrementAndGet());
        config.setPollNameServerInterval(1000);
        config.setHeartbeatBrokerInterval(2000);
        config.setPersistConsumerOffsetInterval(500);
        return config;
    }

    DefaultMQProducer producer() throws Exception {
        return start(new DefaultMQProducer(group("_p"), SIGNED));
    }

    DefaultMQProducer start(DefaultMQProducer producer) throws Exception {
        client(producer);
        producer.setSendMsgTimeout(10_000);
        producer.start();
        open.add(producer::shutdown);
        return producer;
    }

    /** A push consumer that starts with the first message; not yet started. */
    DefaultMQPushConsumer consumer(String group) {
        DefaultMQPushConsumer consumer = client(new DefaultMQPushConsumer(group, SIGNED, new AllocateMessageQueueAveragely()));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setConsumeThreadMin(4);
        consumer.setConsumeThreadMax(4);
        open.add(consumer::shutdown);
        return consumer;
    }

    /** A started consumer of everything in a topic. */
    DefaultMQPushConsumer consume(String group, String topic, Inbox inbox) throws Exception {
        DefaultMQPushConsumer consumer = consumer(group);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener(inbox.listener());
        consumer.start();
        return consumer;
    }

    DefaultMQPullConsumer puller(String group) throws Exception {
        DefaultMQPullConsumer consumer = client(new DefaultMQPullConsumer(group, SIGNED));
        consumer.start();
        open.add(consumer::shutdown);
        return consumer;
    }

    DefaultMQAdminExt admin() throws Exception {
        DefaultMQAdminExt admin = client(new DefaultMQAdminExt(SIGNED, 10_000L));
        admin.start();
        open.add(admin::shutdown);
        return admin;
    }

    /** Creates a topic on every broker and waits until clients can find it there. */
    void createTopic(String topic, int queues) throws Exception {
        createTopic(topic, queues, 6);
    }

    void createTopic(String topic, int queues, int perm) throws Exception {
        DefaultMQAdminExt admin = admin();
        List<String> brokers = brokers(admin);
        for (String addr : brokers) {
            TopicConfig config = new TopicConfig(topic, queues, queues, perm);
            admin.createAndUpdateTopicConfig(addr, config);
        }
        Check.eventually(10, "route of " + topic, () -> admin.examineTopicRouteInfo(topic).getBrokerDatas().size() == brokers.size());
    }

    /** Addresses of all masters. */
    static List<String> brokers(DefaultMQAdminExt admin) throws Exception {
        List<String> all = new ArrayList<>();
        for (var broker : admin.examineBrokerClusterInfo().getBrokerAddrTable().values()) {
            all.add(broker.getBrokerAddrs().get(0L));
        }
        return all;
    }

    /** Sends count messages and returns their bodies. */
    Set<String> send(DefaultMQProducer producer, String topic, String label, int count) throws Exception {
        Set<String> bodies = new TreeSet<>();
        for (int i = 0; i < count; i++) {
            String body = String.format("%s-%04d", label, i);
            producer.send(message(topic, body));
            bodies.add(body);
        }
        return bodies;
    }

    static Message message(String topic, String body) {
        return new Message(topic, body.getBytes(StandardCharsets.UTF_8));
    }

    /**
     * Everything in a topic, queue by queue, by pulling, once it is as many as expected. The original
     * shows a message to readers a moment after it has acknowledged it.
     */
    List<MessageExt> read(String topic, int count) throws Exception {
        DefaultMQPullConsumer puller = puller(group("_reader"));
        List<MessageExt> all = new ArrayList<>();
        Check.eventually(20, count + " messages in " + topic, () -> {
            all.clear();
            all.addAll(read(puller, topic));
            return all.size() >= count;
        });
        puller.shutdown();
        Check.same(all.size(), count, "messages in " + topic);
        return all;
    }

    /** Everything in a topic at the moment. */
    static List<MessageExt> read(DefaultMQPullConsumer puller, String topic) throws Exception {
        List<MessageExt> all = new ArrayList<>();
        for (MessageQueue q : puller.fetchSubscribeMessageQueues(topic)) {
            long next = 0;
            while (true) {
                PullResult r = puller.pull(q, "*", next, 32);
                if (r.getPullStatus() == PullStatus.FOUND) {
                    all.addAll(r.getMsgFoundList());
                } else if (r.getPullStatus() == PullStatus.NO_NEW_MSG) {
                    break;
                }
                next = r.getNextBeginOffset();
            }
        }
        return all;
    }

    /** Tells the test that runs this program that something is to be done, and waits until it was. */
    void ask(String what, int seconds) throws InterruptedException {
        scenarios.event(name, what);
        String answer = signals.poll(seconds, TimeUnit.SECONDS);
        Check.same(answer, what, "what the test did");
    }

    void signal(String word) {
        signals.add(word);
    }

    /** Closes something when the scenario ends, the last first. */
    void atEnd(Runnable close) {
        open.add(close);
    }

    /** Adds a figure to the result, for people to read. */
    void note(String figure) {
        scenarios.note(name, figure);
    }

    @Override
    public void close() {
        for (int i = open.size() - 1; i >= 0; i--) {
            open.get(i).run();
        }
    }
}
