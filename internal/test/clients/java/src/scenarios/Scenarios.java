package scenarios;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/**
 * Runs scenarios against the servers behind a name server: {@code Scenarios NAMESRV PREFIX [SCENARIO...]}.
 *
 * <p>With scenarios named it runs them, and exits 1 if one fails. Without, it reads commands from
 * standard input ({@code run SCENARIO}, {@code signal SCENARIO WORD}, {@code admin ARGUMENTS}) until its end. Each
 * result is one line of JSON behind an '@', since the client library prints lines of its own.
 */
public final class Scenarios {
    private static final int AT_ONCE = 6;

    private final PrintStream out = System.out;
    private final Map<String, Scenario> table;
    private final String nameServer;
    private final String prefix;
    private final Map<String, Case> running = new ConcurrentHashMap<>();
    private final ExecutorService pool;
    private volatile boolean failed;

    private Scenarios(Map<String, Scenario> table, int atOnce, String nameServer, String prefix) {
        this.table = table;
        this.pool = Executors.newFixedThreadPool(atOnce);
        this.nameServer = nameServer;
        this.prefix = prefix;
    }

    public static void main(String[] args) throws Exception {
        if (args.length < 2) {
            System.err.println("usage: Scenarios NAMESRV PREFIX [SCENARIO...]; scenarios: " + table().keySet());
            System.exit(2);
        }
        System.setProperty("rocketmq.client.rebalance.waitInterval", "2000");
        run(table(), AT_ONCE, args[0], args[1], List.of(args).subList(2, args.length));
    }

    /** Runs scenarios of a table, several at once, and ends the program. */
    static void run(Map<String, Scenario> table, int atOnce, String nameServer, String prefix, List<String> names) throws Exception {
        Scenarios s = new Scenarios(table, atOnce, nameServer, prefix);
        names.forEach(s::start);
        if (names.isEmpty()) {
            s.serve();
        }
        s.pool.shutdown();
        s.pool.awaitTermination(10, TimeUnit.MINUTES);
        System.exit(s.failed ? 1 : 0); // clients leave threads behind
    }

    private void serve() throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Mqadmin mqadmin = new Mqadmin();
        for (String line; (line = in.readLine()) != null; ) {
            String[] words = line.split(" ", 3);
            switch (words[0]) {
                case "run":
                    start(words[1]);
                    break;
                case "signal":
                    running.get(words[1]).signal(words[2]);
                    break;
                case "admin":
                    print("admin", "\"output\":" + quote(mqadmin.run(line.substring("admin ".length()).split(" "))));
                    break;
                case "as":
                    String[] signed = line.split(" ", 4);
                    print("admin", "\"output\":" + quote(mqadmin.runAs(signed[1], signed[2], signed[3].split(" "))));
                    break;
                case "watch":
                    print("admin", "\"output\":" + quote(mqadmin.watch(line.substring("watch ".length()).split(" "))));
                    break;
                case "commands":
                    print("admin", "\"output\":" + quote(mqadmin.commands()));
                    break;
                default:
                    throw new IllegalArgumentException(line);
            }
        }
    }

    private void start(String name) {
        Scenario scenario = table.get(name);
        Case c = new Case(this, nameServer, prefix, name);
        running.put(name, c);
        pool.execute(() -> {
            long from = System.nanoTime();
            String error = "";
            try (c) {
                if (scenario == null) {
                    throw new AssertionError("no such scenario");
                }
                scenario.run(c);
            } catch (Throwable e) {
                StringWriter text = new StringWriter();
                e.printStackTrace(new PrintWriter(text));
                error = text.toString();
                failed = true;
            }
            long millis = (System.nanoTime() - from) / 1_000_000;
            print(name, "\"done\":true,\"millis\":" + millis + ",\"error\":" + quote(error));
        });
    }

    void event(String scenario, String what) {
        print(scenario, "\"event\":" + quote(what));
    }

    void note(String scenario, String figure) {
        print(scenario, "\"note\":" + quote(figure));
    }

    private synchronized void print(String scenario, String fields) {
        out.println("@{\"scenario\":" + quote(scenario) + "," + fields + "}");
        out.flush();
    }

    private static String quote(String s) {
        StringBuilder b = new StringBuilder("\"");
        for (char c : s.toCharArray()) {
            if (c == '"' || c == '\\') {
                b.append('\\').append(c);
            } else if (c < ' ' || c > '~') {
                b.append(String.format("\\u%04x", (int) c));
            } else {
                b.append(c);
            }
        }
        return b.append('"').toString();
    }

    /** A scenario of what both protocols do: one sends, one consumes. */
    interface Either {
        void run(Case c, Transport from, Transport to) throws Exception;
    }

    /** The topic gets so many queues; without any it is there already. */
    private static Scenario remoting(int queues, Either scenario) {
        return c -> {
            if (queues > 0) {
                c.createTopic(c.topic(), queues);
            }
            Remoting t = new Remoting(c);
            scenario.run(c, t, t);
        };
    }

    static Map<String, Scenario> table() {
        Map<String, Scenario> t = new LinkedHashMap<>();
        t.put("send_sync", Sending::sync);
        t.put("send_async", Sending::async);
        t.put("send_oneway", Sending::oneway);
        t.put("send_batch", Sending::batch);
        t.put("send_to_chosen_queue", Sending::chosenQueue);
        t.put("properties_arrive", Sending::properties);
        t.put("view_message", Sending::view);
        t.put("compressed_body", Sending::compressed);
        t.put("compressed_lz4", c -> Sending.compressedWith(c, "LZ4"));
        t.put("compressed_zstd", c -> Sending.compressedWith(c, "ZSTD"));
        t.put("delay_level", Sending::delayed);
        t.put("delay_own_time", Delaying::ownTime);
        t.put("delay_over_or_by_level", Delaying::overOrByLevel);
        t.put("delay_beyond_limit", Delaying::beyondTheLimit);
        t.put("delay_recall", Delaying::recall);

        t.put("too_big_message", Refusals::tooBig);
        t.put("properties_too_big", Refusals::propertiesTooBig);
        t.put("missing_topic", Refusals::missingTopic);
        t.put("not_writable", Refusals::notWritable);
        t.put("not_writable_old_route", Refusals::notWritableOldRoute);
        t.put("not_readable", Refusals::notReadable);
        t.put("queue_out_of_range", Refusals::queueOutOfRange);

        t.put("ordered", remoting(4, Shared::ordered));
        t.put("orderly_retry_keeps_order", Ordering::retryKeepsOrder);
        t.put("orderly_to_dlq", remoting(1, Shared::orderedToDeadLetters));

        t.put("push", remoting(0, Shared::push));
        t.put("tag_filter", remoting(4, Shared::tagFilter));
        t.put("tag_hash_collision", Consuming::tagCollision);
        t.put("sql_filter", remoting(4, Shared::sqlFilter));
        t.put("sql_filter_wakes", Filtering::wakes);
        t.put("sql_filter_refused", Filtering::refused);
        t.put("sql_filter_large", Filtering::large);
        t.put("sql_lite_pull", Filtering::litePull);
        t.put("members_filter_alone", Filtering::members);
        t.put("broadcasting", Consuming::broadcasting);
        t.put("long_poll_wakes", Consuming::longPoll);
        t.put("resume_where_left", remoting(4, Shared::resume));
        t.put("rebalance", Consuming::rebalance);
        t.put("rebalance_under_load", Consuming::rebalanceUnderLoad);

        t.put("retry_then_success", Retrying::thenSuccess);
        t.put("retry_to_dlq", remoting(1, Shared::toDeadLetters));
        t.put("traced", Tracing::failsOnce);

        t.put("consume_from_first", Offsets::fromFirst);
        t.put("consume_from_last", Offsets::fromLast);
        t.put("consume_from_timestamp", Offsets::fromTimestamp);
        t.put("young_topic_from_last", Offsets::youngTopic);
        t.put("offset_reset", Offsets::reset);

        t.put("pull_consumer", Pulling::pull);
        t.put("topic_attributes", Attributes::topic);
        t.put("light_queues", Light::queues);
        t.put("light_queue_wakes", Light::wakes);
        t.put("priority_queues", Light::priorities);
        t.put("pull_offset_illegal", Pulling::offsetIllegal);
        t.put("lite_pull_subscribe", Pulling::liteSubscribe);
        t.put("lite_pull_assign", Pulling::liteAssign);

        t.put("topic_lifecycle", Operating::topic);
        t.put("group_lifecycle", Operating::group);
        t.put("consumer_status", Operating::consumerStatus);

        t.put("group_suspended", Governing::suspended);
        t.put("topic_forbidden", Governing::forbidden);
        t.put("consume_in_batches", Governing::batches);
        t.put("client_traces", Governing::traces);
        t.put("other_topics_read", Governing::others);
        t.put("consume_time_span", Governing::timeSpan);
        t.put("rejected_at_once", Governing::rejected);
        t.put("dead_letters_redriven", Governing::redriven);

        t.put("lookup_by_key", Lookups::byKey);
        t.put("message_track", Lookups::tracks);
        t.put("request_reply", Replying::request);
        t.put("reply_to_nobody", Replying::gone);

        t.put("transaction_commit", Transactions::commit);
        t.put("transaction_check", remoting(4, Shared::transactionCheck));
        t.put("transaction_other_producer", Transactions::otherProducer);
        t.put("transaction_given_up", Transactions::givenUp);
        t.put("transaction_resumed", Transactions::resumed);
        t.put("transaction_rest", Transactions::rest);

        addPops(t);
        addQualities(t);

        t.put("restart_with_transactions", Transactions::restart);
        t.put("restart_under_load", Restarting::underLoad);
        t.put("stop_under_load", Restarting::underLoad);
        t.put("mixed_cluster", Mixing::cluster);
        t.put("auto_create_off", Refusals::autoCreateOff);
        t.put("bystanders", Operating::bystanders);
        return t;
    }

    private static void addQualities(Map<String, Scenario> t) {
        t.put("once", Qualities::once);
        t.put("at_most_once", c -> Qualities.beside(c, false, 0));
        t.put("at_most_once_slow", c -> Qualities.beside(c, false, 300));
        t.put("at_most_once_orderly", c -> Qualities.beside(c, true, 0));
        t.put("at_most_once_orderly_slow", c -> Qualities.beside(c, true, 150));
        t.put("at_most_once_lite", Qualities::lite);
        t.put("at_most_once_failing", Qualities::failing);
        t.put("at_most_once_everybody", Qualities::everybody);
        t.put("at_most_once_refused", Qualities::refused);
        t.put("send_limited", Refusals::limited);
        t.put("rate_push", c -> Qualities.slowPush(c, false));
        t.put("rate_orderly", c -> Qualities.slowPush(c, true));
        t.put("rate_lite", Qualities::slowLite);
    }

    /** Pops are in a source tree of their own, which is not compiled for the 4.9 client. */
    @SuppressWarnings("unchecked")
    private static void addPops(Map<String, Scenario> t) {
        try {
            t.putAll((Map<String, Scenario>) Class.forName("scenarios.Popping").getDeclaredMethod("table").invoke(null));
        } catch (ClassNotFoundException e) {
            return;
        } catch (ReflectiveOperationException e) {
            throw new AssertionError(e);
        }
    }
}
