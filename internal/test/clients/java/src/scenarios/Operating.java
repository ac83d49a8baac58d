package scenarios;

import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.TreeSet;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/** What operators ask through the admin client. */
final class Operating {
    private Operating() {}

    static void topic(Case c) throws Exception {
        DefaultMQAdminExt admin = c.admin();
        String broker = Case.brokers(admin).get(0);
        c.createTopic(c.topic(), 8);
        var queues = admin.examineTopicRouteInfo(c.topic()).getQueueDatas().get(0);
        Check.same(queues.getReadQueueNums(), 8, "read queues");
        Check.same(queues.getWriteQueueNums(), 8, "write queues");
        Check.same(queues.getPerm(), 6, "permissions");
        Check.that(admin.fetchAllTopicList().getTopicList().contains(c.topic()), "not in the list of topics");

        DefaultMQProducer producer = c.producer();
        c.send(producer, c.topic(), "x", 16);
        var stats = admin.examineTopicStats(c.topic()).getOffsetTable();
        Check.same(stats.size(), 8, "queues with statistics");
        stats.forEach((q, s) -> {
            Check.same(s.getMinOffset(), 0L, "min of " + q);
            Check.same(s.getMaxOffset(), 2L, "max of " + q);
            Check.that(s.getLastUpdateTimestamp() > 0, "last update of %s", q);
        });

        admin.createAndUpdateTopicConfig(broker, new TopicConfig(c.topic(), 4, 4, 6));
        Check.eventually(10, "four queues in the route", () ->
                admin.examineTopicRouteInfo(c.topic()).getQueueDatas().get(0).getWriteQueueNums() == 4);

        admin.deleteTopicInBroker(Set.of(broker), c.topic());
        Check.eventually(20, "the route is gone", () -> {
            // Once more each time: a registration that was on its way brings the topic back.
            deleteRoute(admin, c);
            try {
                admin.examineTopicRouteInfo(c.topic());
                return false;
            } catch (MQClientException e) {
                return e.getResponseCode() == 17;
            }
        });
        c.createTopic(c.topic(), 1);
        producer.send(Case.message(c.topic(), "new"), new MessageQueue(c.topic(), brokerName(admin), 0));
        c.read(c.topic(), 1);
    }

    /** The admin client of 4.9 has this call only with a cluster, and 5 with the arguments in another order. */
    private static void deleteRoute(DefaultMQAdminExt admin, Case c) throws Exception {
        Set<String> servers = Set.of(c.nameServer);
        try {
            DefaultMQAdminExt.class.getMethod("deleteTopicInNameServer", Set.class, String.class).invoke(admin, servers, c.topic());
        } catch (NoSuchMethodException e) {
            admin.deleteTopicInNameServer(servers, c.topic(), "DefaultCluster");
        }
    }

    private static String brokerName(DefaultMQAdminExt admin) throws Exception {
        return admin.examineBrokerClusterInfo().getBrokerAddrTable().keySet().iterator().next();
    }

    static void group(Case c) throws Exception {
        DefaultMQAdminExt admin = c.admin();
        String broker = Case.brokers(admin).get(0);
        // The configuration's type moved between 4.9 and 5: take one and change it.
        var config = admin.examineSubscriptionGroupConfig(broker, "DEFAULT_CONSUMER");
        if (config == null) {
            config = admin.examineSubscriptionGroupConfig(broker, "TOOLS_CONSUMER");
        }
        config.setGroupName(c.group());
        config.setRetryMaxTimes(5);
        config.setConsumeBroadcastEnable(false);
        admin.createAndUpdateSubscriptionGroupConfig(broker, config);
        var stored = admin.examineSubscriptionGroupConfig(broker, c.group());
        Check.same(stored.getGroupName(), c.group(), "name");
        Check.same(stored.getRetryMaxTimes(), 5, "tries");
        Check.same(stored.isConsumeBroadcastEnable(), false, "broadcasting");
        Check.same(stored.isConsumeEnable(), true, "consuming");
        admin.deleteSubscriptionGroup(broker, c.group(), true);
    }

    static void consumerStatus(Case c) throws Exception {
        c.createTopic(c.topic(), 4);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = c.consume(c.group(), c.topic(), inbox);
        inbox.awaitExactly(c.send(c.producer(), c.topic(), "x", 20), 30);
        DefaultMQAdminExt admin = c.admin();

        var connection = admin.examineConsumerConnectionInfo(c.group());
        Check.same(connection.getConnectionSet().size(), 1, "connections");
        var client = connection.getConnectionSet().iterator().next();
        Check.that(client.getClientId().contains(consumer.getInstanceName()), "client id %s", client.getClientId());
        Check.that(client.getClientAddr().startsWith("127.0.0.1:"), "address %s", client.getClientAddr());
        Check.same(client.getLanguage().name(), "JAVA", "language");
        Check.same(connection.getMessageModel().name(), "CLUSTERING", "model");
        Check.same(connection.getConsumeType().name(), "CONSUME_PASSIVELY", "type");
        Check.same(connection.getSubscriptionTable().get(c.topic()).getSubString(), "*", "subscription");

        Check.eventually(20, "no message left in the statistics", () -> {
            var stats = admin.examineConsumeStats(c.group(), c.topic());
            long consumed = stats.getOffsetTable().values().stream().mapToLong(o -> o.getConsumerOffset()).sum();
            return stats.getOffsetTable().size() == 4 && consumed == 20 && stats.computeTotalDiff() == 0;
        });
        Check.that(admin.queryTopicConsumeByWho(c.topic()).getGroupList().contains(c.group()), "the topic's consumers lack the group");

        var running = admin.getConsumerRunningInfo(c.group(), client.getClientId(), false);
        Check.that(running.getSubscriptionSet().stream().anyMatch(s -> s.getTopic().equals(c.topic())), "running info lacks the subscription");
        Check.same((int) running.getMqTable().keySet().stream().filter(q -> q.getTopic().equals(c.topic())).count(), 4, "queues in the running info");
    }

    /** A producer and a consumer that stay until the test has looked at them. */
    static void bystanders(Case c) throws Exception {
        c.createTopic(c.topic(), 4);
        Inbox inbox = new Inbox();
        c.consume(c.group(), c.topic(), inbox);
        DefaultMQProducer producer = c.start(new DefaultMQProducer(c.group("_p"), Case.SIGNED, true, null));
        Set<String> bodies = new TreeSet<>();
        for (int i = 0; i < 20; i++) {
            Message m = Case.message(c.topic(), String.format("bystander-%04d", i));
            m.setTags("seen");
            m.setKeys("key-" + i + " all");
            producer.send(m);
            bodies.add(new String(m.getBody(), StandardCharsets.UTF_8));
        }
        inbox.await(bodies, 30);
        Thread.sleep(2500); // heartbeat, offsets
        c.ask("look", 300);
    }
}
