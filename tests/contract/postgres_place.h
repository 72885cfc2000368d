/*
 * A database of its own for one PostgreSQL ledger, on a private server that this process starts at
 * its first need and that ends with it. Asserts by itself.
 */
#pragma once

struct postgres_place {
	char name[32];
	char url[192];
};

struct postgres_place *postgres_place_new(void);
void postgres_place_free(struct postgres_place *place);
/* Runs SQL on a connection of its own, as a person with a shell would. */
void postgres_place_run(const struct postgres_place *place, const char *sql);
