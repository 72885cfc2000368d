package usual;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.springframework.kafka.annotation.KafkaListener;
import org.springframework.stereotype.Component;
import org.springframework.transaction.annotation.Transactional;

/** Kafka into the ledger, a batch in a transaction. What comes again, because its commit was not told to Kafka, is there already. */
@Component
public class OrderListener {
    private final OrderRows rows;

    public OrderListener(OrderRows rows) {
        this.rows = rows;
    }

    @KafkaListener(topics = "${usual.topic}", groupId = "${usual.topic}", batch = "true")
    @Transactional
    public void write(List<PlacedOrder> orders) {
        Map<String, PlacedOrder> byId = new LinkedHashMap<>();
        orders.forEach(order -> byId.put(order.id(), order));
        Set<String> there = rows.idsAmong(byId.keySet());
        rows.saveAll(byId.values().stream().filter(order -> !there.contains(order.id())).map(OrderRow::new).toList());
    }
}
