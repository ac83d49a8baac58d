package scenarios;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Runs scenarios with the Java client of the gRPC protocol: {@code Endpoints ENDPOINTS PREFIX NAMESRV [SCENARIO...]}. The
 * rest is as in {@link Scenarios}, but that topics and groups are there already. The name server is for what
 * goes from one protocol to the other.
 */
public final class Endpoints {
    private static final int AT_ONCE = 16; // they mostly wait

    private Endpoints() {}

    public static void main(String[] args) throws Exception {
        if (args.length < 3) {
            System.err.println("usage: Endpoints ENDPOINTS PREFIX NAMESRV [SCENARIO...]; scenarios: " + table("").keySet());
            System.exit(2);
        }
        System.setProperty("rocketmq.client.rebalance.waitInterval", "2000");
        Scenarios.run(table(args[0]), AT_ONCE, args[2], args[1], List.of(args).subList(3, args.length));
    }

    /** A scenario that talks to endpoints. */
    private interface Dialling {
        void run(Case c, Dial d) throws Exception;
    }

    private static Scenario at(String endpoints, boolean tls, Dialling scenario) {
        return c -> scenario.run(c, new Dial(c, endpoints, tls));
    }

    /** What both protocols do, with this one and across both. */
    private static void putShared(Map<String, Dialling> t, String name, Scenarios.Either scenario) {
        t.put(name, (c, d) -> scenario.run(c, new Grpc(c, d), new Grpc(c, d)));
        t.put("to_grpc_" + name, (c, d) -> scenario.run(c, new Remoting(c), new Grpc(c, d)));
        t.put("to_remoting_" + name, (c, d) -> scenario.run(c, new Grpc(c, d), new Remoting(c)));
    }

    private static Map<String, Scenario> table(String endpoints) {
        Map<String, Dialling> d = new LinkedHashMap<>();
        d.put("send_receive_ack", Receiving::sendReceiveAck);
        d.put("simple_dead_letter", Receiving::toDeadLetters);
        d.put("change_invisible", Receiving::changeInvisible);
        d.put("long_poll_wakes", Receiving::longPoll);
        putShared(d, "tag_filter", Shared::tagFilter);
        putShared(d, "sql_filter", Shared::sqlFilter);
        d.put("priority", Receiving::priority);
        putShared(d, "resume_where_left", Shared::resume);

        putShared(d, "push", Shared::push);
        putShared(d, "fifo", Shared::ordered);
        putShared(d, "fifo_dead_letter", Shared::orderedToDeadLetters);
        d.put("fifo_one_group_fails", Receiving::oneGroupFails);
        putShared(d, "retry_to_dead_letter", Shared::toDeadLetters);
        d.put("lite", Lite::push);
        d.put("lite_exclusive", Lite::exclusive);
        d.put("lite_wildcard", Lite::wildcard);

        putShared(d, "delay", Shared::delay);
        d.put("delay_recall", Publishing::recall);
        putShared(d, "transaction", Shared::transaction);
        putShared(d, "transaction_check", Shared::transactionCheck);
        d.put("type_refused", Publishing::typeRefused);
        d.put("missing_topic", Publishing::missingTopic);

        d.put("to_grpc_priority", Crossing::priorityToEndpoints);
        d.put("to_remoting_priority", Crossing::priorityToRemoting);
        d.put("to_grpc_lite", Crossing::liteToEndpoints);
        d.put("to_remoting_lite", Crossing::liteToRemoting);
        d.put("cross_offsets", Crossing::offsets);
        d.put("at_most_once", Publishing::atMostOnce);

        Map<String, Scenario> t = new LinkedHashMap<>();
        d.forEach((name, scenario) -> t.put(name, at(endpoints, true, scenario)));
        t.put("plaintext", at(endpoints, false, d.get("push")));
        return t;
    }
}
