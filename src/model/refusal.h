/*
 * Every way in which a purchase is refused, said once: what a stock answers with (port/stock.h), in
 * Redis too, the verdict (core/admission.h) and the problem that the buyer is told are made of
 * these rows. A new refusal is a row here, one in gate/problem.h where its problem is new, and what
 * decides it. The crowd (crowd/book.c) knows what each answer to a purchase means: a new problem is
 * a row there too.
 */
#pragma once

/*
 * By the stock: REFUSAL(name, number, bare, verdict, problem, attempt)
 *
 *   name     STOCK_name, and `name` in the functions in Redis
 *   number   its value, in Redis' answers too: what a release has answered with keeps its number
 *   bare     1: in Redis' answers to purchases it stands alone; 0: more comes with it, or it is none
 *   verdict  VERDICT_verdict
 *   problem  PROBLEM_problem
 *   attempt  1: the buyer's own affair, counted by gate/limit/attempt_limit.h; 0: what the shop cannot do
 */
#define REFUSALS_BY_STOCK(REFUSAL)                                                                      \
	/* the key was used with another lot or quantity */                                             \
	REFUSAL(KEY_CONFLICT, 2, 1, KEY_CONFLICT, KEY_REUSED, 1)                                        \
	/* with it: when to ask again */                                                                \
	REFUSAL(RATE_LIMITED, 4, 0, RATE_LIMITED, RATE_LIMITED, 1)                                      \
	/* with it: the buyer's live orders */                                                          \
	REFUSAL(BUYER_LIMIT, 5, 0, BUYER_LIMIT, BUYER_LIMIT, 1)                                         \
	/* fewer units left than asked for; with it: the lot's version, and whether units may return */ \
	REFUSAL(SOLD_OUT, 6, 0, SOLD_OUT, SOLD_OUT, 1)                                                  \
	/* the sale is being rebuilt */                                                                 \
	REFUSAL(FENCED, 8, 0, FENCED, FENCED, 0)                                                        \
	/* no memory for it */                                                                          \
	REFUSAL(FULL, 9, 1, OVERLOADED, OVERLOADED, 0)                                                  \
	/* definitely not done */                                                                       \
	REFUSAL(UNAVAILABLE, 10, 0, STOCK_UNAVAILABLE, STOCK_UNAVAILABLE, 0)                            \
	/* nobody can say yet */                                                                        \
	REFUSAL(OUTCOME_UNKNOWN, 11, 0, OUTCOME_UNKNOWN, OUTCOME_UNKNOWN, 0)                            \
	/* an operator has stopped the sale */                                                          \
	REFUSAL(PAUSED, 17, 1, SALE_PAUSED, SALE_NOT_OPEN, 0)

/* Before the stock is asked, or behind it: REFUSAL(verdict, problem, attempt) */
#define REFUSALS_BY_GATE(REFUSAL)                                  \
	REFUSAL(SALE_NOT_OPEN, SALE_NOT_OPEN, 0)                   \
	REFUSAL(SALE_ENDED, SALE_ENDED, 0)                         \
	/* the order of this key is not known to be durable yet */ \
	REFUSAL(IN_FLIGHT, IN_FLIGHT, 1)                           \
	REFUSAL(JOURNAL_UNAVAILABLE, JOURNAL_UNAVAILABLE, 0)       \
	/* by the gate alone; a replay may pass it */              \
	REFUSAL(ADDRESS_LIMITED, ADDRESS_RATE_LIMITED, 0)
