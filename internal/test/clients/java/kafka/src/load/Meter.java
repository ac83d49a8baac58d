package load;

import java.util.Locale;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.Recorder;

/** Counts what happens from the end of the warm-up to the end of the time. */
final class Meter {
  private static final long LONGEST = 60_000_000; // microseconds
  final long begin;
  final long end;
  private final Recorder latencies = new Recorder(LONGEST, 3);
  private long messages;
  private long bytes;
  private long errors;
  private long warm; // messages before begin
  private long latest;
  private String lastError;
  private final boolean counted;

  Meter(Load load) {
    begin = System.nanoTime() + load.time("warmup", "0s");
    end = begin + load.time("time", "10s");
    latest = begin;
    counted = load.number("count", 0) > 0;
  }

  boolean over() {
    return System.nanoTime() - end >= 0;
  }

  /** Counts messages that ended now, together, and took so many nanoseconds. */
  void took(long nanos, int number, long size) {
    long now = System.nanoTime();
    if (number == 0 || now - end > 0) {
      return;
    }
    if (now - begin < 0) {
      synchronized (this) {
        warm += number;
      }
      return;
    }
    latencies.recordValue(Math.min(Math.max(nanos / 1000, 1), LONGEST));
    synchronized (this) {
      messages += number;
      bytes += size;
      latest = now;
    }
  }

  synchronized void failed(Exception e) {
    errors++;
    lastError = e.toString();
  }

  /** Counts until the end of the time, or until the last message if a counted load was over before. */
  synchronized String json(String kind, String topic) {
    double seconds = Math.max(((counted ? Math.min(latest, end) : end) - begin) / 1e9, 1e-6);
    Histogram h = latencies.getIntervalHistogram();
    StringBuilder b = new StringBuilder();
    b.append(String.format(Locale.ROOT, "{\"kind\":\"%s\",\"topic\":\"%s\",\"seconds\":%f,\"messages\":%d,\"bytes\":%d,\"errors\":%d", kind, topic, seconds, messages, bytes, errors));
    if (lastError != null) {
      b.append(",\"last_error\":\"").append(lastError.replaceAll("[^ -~]|[\"\\\\]", "?")).append('"');
    }
    b.append(String.format(Locale.ROOT, ",\"messages_per_second\":%f,\"mib_per_second\":%f,\"warmup_messages\":%d", messages / seconds, bytes / seconds / (1 << 20), warm));
    if (h.getTotalCount() > 0) {
      b.append(String.format(Locale.ROOT, ",\"latency_us\":{\"mean\":%f,\"p50\":%d,\"p90\":%d,\"p99\":%d,\"p99_9\":%d,\"p99_99\":%d,\"max\":%d}", h.getMean(),
          h.getValueAtPercentile(50), h.getValueAtPercentile(90), h.getValueAtPercentile(99), h.getValueAtPercentile(99.9), h.getValueAtPercentile(99.99), h.getMaxValue()));
    }
    return b.append('}').toString();
  }
}
