package usual;

import java.util.Collection;
import java.util.Set;
import org.springframework.data.jpa.repository.JpaRepository;
import org.springframework.data.jpa.repository.Query;

public interface OrderRows extends JpaRepository<OrderRow, String> {
    @Query("select row.id from OrderRow row where row.id in ?1")
    Set<String> idsAmong(Collection<String> ids);
}
