/*
 * The judge's eyes on a simulated Kafka: each record that is in the log, read by its bytes. Nothing
 * here yields.
 */
#pragma once

#include "simulation/journal/journal_sim.h"
#include "simulation/judge/judge.h"

struct watch_log;

struct watch_log *watch_log_new(struct judge *judge, struct journal_sim *log);
void watch_log_free(struct watch_log *watch); /* NULL is fine */
/* Tells the judge what was appended since. */
/* The kind of record that has this name (docs/events.md); 0: none. */
enum history_record_kind watch_log_kind(const char *name);
void watch_log_look(struct watch_log *watch);
