/*
 * What the measurements of a ledger write: a sale of five lots, and orders of it, each of another
 * buyer. One thread. What fails ends the program, with why.
 */
#pragma once

#include "port/ledger.h"

enum { BUYER_SIZE = 24 };

void check(const char *what, int result); /* 0 is fine */
void *must_have(void *memory);
double wall_us(void);

/* A draft with all the units there can be. Its number. */
uint32_t make_sale(struct ledger *ledger);
/* Fills `entries`, and the events and names that they point into, with `count` new orders. */
void fill(struct event *events, char (*names)[BUYER_SIZE], struct ledger_entry *entries, size_t count, uint32_t sale);
