package scenarios;

import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** A message as both protocols know it. */
final class Letter {
    final String body;
    String id;
    String tag;
    String order; // messages of one are consumed in order
    Set<String> keys = Set.of();
    final Map<String, String> properties = new TreeMap<>();
    long at; // when it is to be delivered; 0 is at once
    int attempt; // 1 at the first delivery
    final long came = System.currentTimeMillis();

    Letter(String body) {
        this.body = body;
    }

    Letter tag(String value) {
        tag = value;
        return this;
    }

    Letter order(String value) {
        order = value;
        return this;
    }

    Letter keys(String... values) {
        keys = Set.of(values);
        return this;
    }

    Letter property(String name, String value) {
        properties.put(name, value);
        return this;
    }

    Letter at(long millis) {
        at = millis;
        return this;
    }

    /** It is the one that was sent. */
    void isAsSent(Letter sent) {
        Check.same(id, sent.id, "id of " + body);
        Check.same(tag, sent.tag, "tag");
        Check.same(keys, sent.keys, "keys");
        sent.properties.forEach((name, value) -> Check.same(properties.get(name), value, name));
    }
}
