package load;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Times as Go prints them. */
final class Times {
  private static final Pattern PART = Pattern.compile("([0-9.]+)(ms|s|m|h)");

  private Times() {}

  static long parse(String text) {
    Matcher m = PART.matcher(text);
    double sum = 0;
    int end = 0;
    while (m.find() && m.start() == end) {
      double unit = m.group(2).equals("ms") ? 1e6 : m.group(2).equals("s") ? 1e9 : m.group(2).equals("m") ? 60e9 : 3600e9;
      sum += Double.parseDouble(m.group(1)) * unit;
      end = m.end();
    }
    if (end != text.length() || end == 0) {
      throw new IllegalArgumentException("not a time: " + text);
    }
    return (long) sum;
  }
}
