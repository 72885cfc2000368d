package usual;

import jakarta.persistence.Column;
import jakarta.persistence.Entity;
import jakarta.persistence.Id;
import jakarta.persistence.Table;
import jakarta.persistence.Transient;
import java.time.Instant;
import org.springframework.data.domain.Persistable;

/** A row of the ledger. It names its own id, and is new: JPA needs no look whether it is there. */
@Entity
@Table(name = "orders")
public class OrderRow implements Persistable<String> {
    @Id
    private String id;

    @Column(nullable = false)
    private String sale;

    @Column(nullable = false)
    private String buyer;

    @Column(nullable = false)
    private int quantity;

    @Column(name = "placed_at", nullable = false)
    private Instant placedAt;

    protected OrderRow() {}

    OrderRow(PlacedOrder order) {
        id = order.id();
        sale = order.sale();
        buyer = order.buyer();
        quantity = order.quantity();
        placedAt = Instant.now();
    }

    @Override
    public String getId() {
        return id;
    }

    @Override
    @Transient
    public boolean isNew() {
        return true;
    }
}
