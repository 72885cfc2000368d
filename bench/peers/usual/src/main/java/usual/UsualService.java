package usual;

import org.apache.kafka.clients.admin.NewTopic;
import org.redisson.Redisson;
import org.redisson.api.RedissonClient;
import org.redisson.client.codec.StringCodec;
import org.redisson.config.Config;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;

/**
 * A flash sale as it is usually built: a limiter, a lock for each buyer and a counter in Redis, by Redisson; an event in Kafka, by Spring; rows in
 * PostgreSQL, by JPA. Written to be held against (docs/performance.md), so without the usual mistakes: the limiter is set once and not by each
 * request, the lock is held per buyer and not per sale, nobody is told before Kafka has the event, and rows are inserted in batches.
 */
@SpringBootApplication
public class UsualService {
    public static void main(String[] arguments) {
        SpringApplication.run(UsualService.class, arguments);
    }

    @Bean(destroyMethod = "shutdown")
    RedissonClient redis(@Value("${usual.redis}") String address) {
        Config config = new Config();
        config.setCodec(StringCodec.INSTANCE);
        config.useSingleServer().setAddress(address).setConnectionPoolSize(64).setConnectionMinimumIdleSize(64);
        return Redisson.create(config);
    }

    @Bean
    NewTopic orders(@Value("${usual.topic}") String name) {
        return new NewTopic(name, 3, (short) 1);
    }
}
