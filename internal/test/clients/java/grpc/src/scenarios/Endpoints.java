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

    private static Map<String, Scenario> table(String endpoints) {
        Map<String, Dialling> d = new LinkedHashMap<>();
        d.put("send_receive_ack", Receiving::sendReceiveAck);
        d.put("simple_dead_letter", Receiving::toDeadLetters);
        d.put("change_invisible", Receiving::changeInvisible);
        d.put("long_poll_wakes", Receiving::longPoll);
        d.put("tag_filter", Receiving::tagFilter);
        d.put("sql_filter", Receiving::sqlFilter);
        d.put("priority", Receiving::priority);
        d.put("resume_where_left", Receiving::resume);

        d.put("push", Listening::push);
        d.put("fifo", Listening::fifo);
        d.put("fifo_dead_letter", Listening::fifoToDeadLetters);
        d.put("fifo_one_group_fails", Listening::oneGroupFails);
        d.put("retry_to_dead_letter", Listening::toDeadLetters);
        d.put("lite", Lite::push);
        d.put("lite_exclusive", Lite::exclusive);
        d.put("lite_wildcard", Lite::wildcard);

        d.put("delay", Publishing::delay);
        d.put("delay_recall", Publishing::recall);
        d.put("transaction", Publishing::transaction);
        d.put("transaction_check", Publishing::transactionCheck);
        d.put("type_refused", Publishing::typeRefused);
        d.put("missing_topic", Publishing::missingTopic);

        d.put("cross_to_grpc", Crossing::toEndpoints);
        d.put("cross_to_remoting", Crossing::toRemoting);
        d.put("lite_from_remoting", Crossing::liteToEndpoints);
        d.put("cross_offsets", Crossing::offsets);
        d.put("cross_dead_letter", Crossing::deadLetter);

        Map<String, Scenario> t = new LinkedHashMap<>();
        d.forEach((name, scenario) -> t.put(name, at(endpoints, true, scenario)));
        t.put("plaintext", at(endpoints, false, Listening::push));
        return t;
    }
}
