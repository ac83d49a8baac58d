package scenarios;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Collectors;

/** What a consumer has received, in the order in which its listener saw it. */
class Received<M> {
    private final List<M> got = new ArrayList<>();
    private final Function<M, String> body;

    Received(Function<M, String> body) {
        this.body = body;
    }

    synchronized void add(M m) {
        got.add(m);
    }

    synchronized List<M> all() {
        return new ArrayList<>(got);
    }

    synchronized int size() {
        return got.size();
    }

    synchronized void clear() {
        got.clear();
    }

    List<String> bodies() {
        return all().stream().map(body).collect(Collectors.toList());
    }

    Set<String> distinct() {
        return new TreeSet<>(bodies());
    }

    /** Waits until every one of the bodies has come at least once. */
    void await(Set<String> bodies, int seconds) throws InterruptedException {
        long end = System.nanoTime() + seconds * 1_000_000_000L;
        while (true) {
            Set<String> missing = new TreeSet<>(bodies);
            missing.removeAll(distinct());
            if (missing.isEmpty()) {
                return;
            }
            if (System.nanoTime() > end) {
                throw new AssertionError(missing.size() + " of " + bodies.size() + " messages did not come within "
                        + seconds + " s, such as " + missing.iterator().next());
            }
            Thread.sleep(20);
        }
    }

    /** Waits until exactly these bodies have come, and a little for one too many. */
    void awaitExactly(Set<String> bodies, int seconds) throws InterruptedException {
        await(bodies, seconds);
        Thread.sleep(500);
        Check.same(distinct(), new TreeSet<>(bodies), "received bodies");
        Check.same(size(), bodies.size(), "number of deliveries");
    }

    /** Bodies such as key-0001 must have come in order for every key, when they came first. */
    void inOrder() {
        Map<String, String> last = new HashMap<>();
        Set<String> seen = new HashSet<>();
        for (String b : bodies()) {
            if (seen.add(b)) {
                String before = last.put(b.substring(0, b.indexOf('-')), b);
                Check.that(before == null || b.compareTo(before) > 0, "%s came behind %s", b, before);
            }
        }
    }
}
