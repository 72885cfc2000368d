package usual;

/** An accepted purchase, as it goes through Kafka. */
public record PlacedOrder(String id, String sale, String buyer, int quantity) {}
