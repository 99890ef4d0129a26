// HikariCP over pgjdbc, one platform thread a task: W1a, W1b, W2, W3. Run from source: java -cp JARS HikariBench.java WORKLOAD COUNT WARMUP.
import com.sun.management.OperatingSystemMXBean;
import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.lang.management.ManagementFactory;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

public class HikariBench {
  interface Operation {
    void run(int value) throws Exception;
  }

  static String env(String name, String otherwise) {
    String value = System.getenv(name);
    return value == null || value.isEmpty() ? otherwise : value;
  }

  static double cpuSeconds() {
    return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime() / 1e9;
  }

  static double percentileUs(long[] sorted, double q) {
    return sorted.length == 0 ? 0 : sorted[(int) (q * (sorted.length - 1) + 0.5)] / 1e3;
  }

  static HikariDataSource pool(int size) throws Exception {
    boolean tls = env("B_TLS", "0").equals("1");
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl("jdbc:postgresql://" + env("B_HOST", "127.0.0.1") + ":" + env("B_PORT", "5432") + "/" + env("B_DB", "bench")
        + (tls ? "?sslmode=verify-full&sslrootcert=" + env("B_CA", "") : "?sslmode=disable") + "&prepareThreshold=1");
    config.setUsername(env("B_USER", "bench"));
    config.setMaximumPoolSize(size);
    config.setMinimumIdle(size);
    config.setConnectionTimeout(600000);
    HikariDataSource source = new HikariDataSource(config);
    List<Connection> all = new ArrayList<>();
    for (int i = 0; i < size; i++) all.add(source.getConnection());
    for (Connection each : all) each.close();
    return source;
  }

  static void ask(HikariDataSource source, int value) throws Exception {
    try (Connection db = source.getConnection(); PreparedStatement statement = db.prepareStatement("SELECT ?::int")) {
      statement.setInt(1, value);
      try (ResultSet rows = statement.executeQuery()) {
        if (!rows.next() || rows.getInt(1) != value) throw new IllegalStateException("wrong value");
      }
    }
  }

  public static void main(String[] arguments) throws Exception {
    String workload = arguments[0];
    int count = Integer.parseInt(arguments[1]);
    int warmup = Integer.parseInt(arguments[2]);
    int threads = workload.equals("W1a") ? 1 : Integer.parseInt(env("B_NTASK", "64"));
    HikariDataSource source = pool(Integer.parseInt(env("B_NCONN", "16")));
    Operation operation = workload.startsWith("W1") ? value -> {
      try (Connection db = source.getConnection()) {
        if (threads > 1) Thread.yield();
      }
    } : value -> ask(source, value);

    AtomicInteger started = new AtomicInteger();
    AtomicInteger done = new AtomicInteger();
    AtomicLong begun = new AtomicLong(System.nanoTime());
    double[] cpu = {cpuSeconds()};
    int sample = workload.startsWith("W1") ? 64 : 1;
    long[] latencies = new long[count / sample + threads];
    AtomicInteger taken = new AtomicInteger();
    List<Thread> workers = new ArrayList<>();
    for (int t = 0; t < threads; t++) {
      Thread worker = new Thread(() -> {
        for (int i = started.incrementAndGet(); i <= count + warmup; i = started.incrementAndGet()) {
          boolean timed = i % sample == 0;
          long since = timed ? System.nanoTime() : 0;
          try {
            operation.run(i);
          } catch (Exception e) {
            e.printStackTrace();
            System.exit(1);
          }
          int ended = done.incrementAndGet();
          if (timed && ended > warmup) {
            int at = taken.getAndIncrement();
            if (at < latencies.length) latencies[at] = System.nanoTime() - since;
          }
          if (ended == warmup) {
            begun.set(System.nanoTime());
            cpu[0] = cpuSeconds();
          }
        }
      });
      workers.add(worker);
      worker.start();
    }
    for (Thread worker : workers) worker.join();

    double seconds = (System.nanoTime() - begun.get()) / 1e9;
    double used = cpuSeconds() - cpu[0];
    long[] sorted = Arrays.copyOf(latencies, Math.min(taken.get(), latencies.length));
    Arrays.sort(sorted);
    System.out.printf(Locale.ROOT,
        "{\"peer\":\"hikari\",\"w\":\"%s\",\"n\":%d,\"secs\":%f,\"ops_s\":%.1f,\"ns_op\":%.1f,\"cpu_kop\":%.6f,"
            + "\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f}%n",
        workload, count, seconds, count / seconds, seconds * 1e9 / count, used / count * 1000, percentileUs(sorted, 0.5),
        percentileUs(sorted, 0.99), percentileUs(sorted, 0.999), percentileUs(sorted, 1));
    source.close();
  }
}
