package usual;

import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestHeader;
import org.springframework.web.bind.annotation.RestController;

@RestController
public class PurchaseController {
    private final Purchases purchases;

    public PurchaseController(Purchases purchases) {
        this.purchases = purchases;
    }

    record Request(int quantity) {}

    record Order(String id, String sale, String buyer, int quantity, String state) {}

    record Problem(int status, String title) {}

    @PostMapping("/v1/sales/{sale}/orders")
    ResponseEntity<Object> buy(
            @PathVariable String sale,
            @RequestHeader("X-Buyer-Id") String buyer,
            @RequestHeader("Idempotency-Key") String key,
            @RequestBody Request request)
            throws InterruptedException {
        if (request.quantity() != 1) {
            return ResponseEntity.badRequest().body(new Problem(400, "one unit a buyer"));
        }
        Purchases.Answer answer = purchases.buy(sale, buyer, key);
        if (answer.order() == null) {
            return ResponseEntity.status(answer.status()).body(new Problem(answer.status(), "not accepted"));
        }
        return ResponseEntity.accepted().body(new Order(answer.order(), sale, buyer, 1, "accepted"));
    }

    @GetMapping("/health")
    String health() {
        return "ok";
    }
}
