package usual;

import java.time.Duration;
import java.util.UUID;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.redisson.api.RAtomicLong;
import org.redisson.api.RBatch;
import org.redisson.api.RLock;
import org.redisson.api.RRateLimiter;
import org.redisson.api.RateIntervalUnit;
import org.redisson.api.RateType;
import org.redisson.api.RedissonClient;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.kafka.core.KafkaTemplate;
import org.springframework.stereotype.Service;

/** Decides a purchase in Redis, and has it in Kafka before it says so. */
@Service
public class Purchases {
    private static final Duration REMEMBERED = Duration.ofHours(24);

    private final RedissonClient redis;
    private final KafkaTemplate<String, PlacedOrder> kafka;
    private final String topic;
    private final RRateLimiter limiter;

    public Purchases(
            RedissonClient redis,
            KafkaTemplate<String, PlacedOrder> kafka,
            @Value("${usual.topic}") String topic,
            @Value("${usual.requests-a-second}") long rate) {
        this.redis = redis;
        this.kafka = kafka;
        this.topic = topic;
        limiter = redis.getRateLimiter("limiter");
        limiter.trySetRate(RateType.OVERALL, rate, 1, RateIntervalUnit.SECONDS);
    }

    /** What a buyer is told; order: null where there is none. */
    public record Answer(int status, String order) {}

    public Answer buy(String sale, String buyer, String key) throws InterruptedException {
        if (!limiter.tryAcquire()) {
            return new Answer(429, null);
        }
        String before = redis.<String>getBucket(name(sale, "key", buyer, key)).get();
        if (before != null) {
            return new Answer(202, before);
        }
        RAtomicLong units = redis.getAtomicLong(name(sale, "units"));
        if (units.get() < 1) {
            return new Answer(410, null);
        }
        RLock lock = redis.getLock(name(sale, "lock", buyer));
        if (!lock.tryLock(1, 30, TimeUnit.SECONDS)) {
            return new Answer(503, null);
        }
        try {
            return buyLocked(units, sale, buyer, key);
        } finally {
            if (lock.isHeldByCurrentThread()) {
                lock.unlock();
            }
        }
    }

    private Answer buyLocked(RAtomicLong units, String sale, String buyer, String key) throws InterruptedException {
        String before = redis.<String>getBucket(name(sale, "buyer", buyer)).get();
        if (before != null) {
            String same = redis.<String>getBucket(name(sale, "key", buyer, key)).get();
            return same != null ? new Answer(202, same) : new Answer(409, null);
        }
        if (units.decrementAndGet() < 0) {
            units.incrementAndGet();
            return new Answer(410, null);
        }
        PlacedOrder order = new PlacedOrder(UUID.randomUUID().toString(), sale, buyer, 1);
        try {
            kafka.send(topic, sale, order).get();
        } catch (ExecutionException failed) {
            units.incrementAndGet();
            return new Answer(503, null);
        }
        RBatch batch = redis.createBatch();
        batch.<String>getBucket(name(sale, "buyer", buyer)).setAsync(order.id(), REMEMBERED);
        batch.<String>getBucket(name(sale, "key", buyer, key)).setAsync(order.id(), REMEMBERED);
        batch.execute();
        return new Answer(202, order.id());
    }

    private static String name(String sale, String... parts) {
        return "{" + sale + "}:" + String.join(":", parts);
    }
}
